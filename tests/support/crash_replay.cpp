#include "support/crash_replay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <unordered_map>
#include <utility>

#include "support/crash_workload.hpp"

namespace penumbra::test {
namespace {

using namespace std::chrono_literals;
using Kind = ModelDisk::Kind;

constexpr std::uint64_t kRoomToCheck = 1024 * 1024 * 1024;
constexpr std::size_t kToldViolations = 10;
constexpr int kSecondCutEvery = 8;  // of how many disks one has its power cut a second time

class Checker {
 public:
  Checker(const History& history, Sabotage sabotage) : history_(history), sabotage_(sabotage) {}

  // Opens a store on `image`, as it may be after a power cut before operation `point`; answers the disk afterwards.
  std::unique_ptr<ModelDisk> Check(const DiskImage& image, std::size_t point) {
    auto disk = MakeDisk(image, sabotage_);
    // With room enough: retention of its own would remove what the workload had not begun to remove, because it has
    // other acks by then.
    Bench bench(*disk, kRoomToCheck);
    if (const Status opened = bench.Open(); !opened) {
      Violation(point, "does not open: " + opened.error().message);
      return disk;
    }
    if (point < history_.salvage_from) {
      for (const auto& [name, bytes] : disk->Contents()) {
        if (name.find(".damaged-") != std::string::npos) Violation(point, "was taken for damaged");
      }
    }
    bench.FinishSalvage();
    for (const char* thing : kThings) CheckReadings(bench, thing, point);
    CheckVersions(bench, point);
    CheckNextSeqs(bench, point);
    bench.Close();
    return disk;
  }

  std::size_t violations = 0;
  std::size_t lost = 0;  // of these: readings
  std::vector<std::string> first;

 private:
  void Violation(std::size_t point, const std::string& what) {
    if (++violations <= kToldViolations) first.push_back(fmt::format("before operation {}: {}", point, what));
  }

  void CheckReadings(Bench& bench, const std::string& thing, std::size_t point) {
    auto all = bench.All(thing);
    if (!all) return Violation(point, fmt::format("{} cannot be read: {}", thing, all.error().message));
    std::map<std::uint64_t, const StoredReading*> there;
    for (const StoredReading& stored : *all) {
      if (!there.emplace(stored.reading.seq, &stored).second) {
        Violation(point, fmt::format("{} {} is there twice", thing, stored.reading.seq));
      }
    }
    for (const auto& [seq, stored] : there) {
      const auto fate = history_.readings.find({thing, seq});
      if (stored->reading.boot_id == kAfterwards) continue;  // by us, before the second cut
      if (fate == history_.readings.end() || !(fate->second.reading == stored->reading)) {
        Violation(point, fmt::format("{} {} has contents that nobody gave it", thing, seq));
      } else {
        CheckDelivery(*stored, fate->second, point);
      }
    }
    for (auto it = history_.readings.lower_bound({thing, 0}); it != history_.readings.end() && it->first.first == thing;
         ++it) {
      const ReadingFate& fate = it->second;
      if (fate.reported_at <= point && fate.may_go_from > point && !there.contains(it->first.second)) {
        ++lost;
        Violation(point, fmt::format("{} {}, reported after operation {}, is lost", thing, it->first.second,
                                     fate.reported_at));
      }
    }
  }

  void CheckDelivery(const StoredReading& stored, const ReadingFate& fate, std::size_t point) {
    if (fate.may_go_from <= point) return;  // on its way out of the outbox
    if (stored.sent && fate.ack_begun_at > point) {
      Violation(point, fmt::format("{} {} counts as sent without an ack", stored.reading.thing, stored.reading.seq));
    }
    const bool known = history_.salvage_from > point || fate.ack_reported_at > history_.salvage_from;
    if (!stored.sent && fate.ack_reported_at <= point && known) {
      Violation(point,
                fmt::format("{} {} was acknowledged and is unsent again", stored.reading.thing, stored.reading.seq));
    }
  }

  void CheckVersions(Bench& bench, std::size_t point) {
    struct Found {
      std::int64_t setting = 0;
      std::int64_t shadow = 0;
      std::int64_t command = 0;
      std::string integrity;
    };
    const auto found = std::make_shared<Found>();
    const Status read = bench.Transact([found](Database& database) -> Status {
      found->setting = database.Integer("SELECT value FROM setting WHERE key = 'fact'").value_or(-1);
      found->shadow = database.Integer("SELECT cloud_version FROM shadow").value_or(-1);
      found->command = database.Integer("SELECT version FROM command").value_or(-1);
      auto check = database.Prepare("PRAGMA quick_check");
      if (!check) return Fail(check.error());
      const Result<bool> row = check->Step();
      if (!row) return Fail(row.error());
      found->integrity = check->Bytes(0).substr(0, 100);
      return {};
    });
    if (!read) return Violation(point, "cannot be read: " + read.error().message);
    if (found->integrity != "ok") Violation(point, "the file is damaged: " + found->integrity);
    if (found->shadow != found->command) {
      Violation(point, fmt::format("half a transaction: {} and {}", found->shadow, found->command));
    }
    CheckVersion("setting", history_.setting, found->setting, point);
    // Shadows and commands do not come back: the cloud has them.
    if (point < history_.salvage_from) CheckVersion("transaction", history_.pair, found->shadow, point);
  }

  void CheckVersion(const char* what, const VersionFate& fate, std::int64_t found, std::size_t point) {
    const auto version = static_cast<std::size_t>(found);
    if (version > fate.begun_at.size() || (version > 0 && fate.begun_at[version - 1] > point)) {
      return Violation(point, fmt::format("{} {} comes from nowhere", what, found));
    }
    for (std::size_t later = version; later < fate.reported_at.size(); ++later) {
      if (fate.reported_at[later] <= point) return Violation(point, fmt::format("{} {} is lost", what, later + 1));
    }
  }

  void CheckNextSeqs(Bench& bench, std::size_t point) {
    // The wall clock of 1970: it must not matter.
    for (const char* thing : kThings) bench.worker().PushReading(MakeReading(thing, 5, 1, kAfterwards), 5);
    if (!bench.Settle()) return Violation(point, "commits nothing any more");
    for (const auto& [reading, operations] : bench.committed) {
      const auto seen = std::find_if(history_.readings.lower_bound({reading.thing, reading.seq}),
                                     history_.readings.upper_bound({reading.thing, SeqMark::kMaxSeq}),
                                     [point](const auto& entry) { return entry.second.reported_at <= point; });
      if (seen != history_.readings.upper_bound({reading.thing, SeqMark::kMaxSeq})) {
        Violation(point, fmt::format("{} gives seq {}, and {} was seen before", reading.thing, reading.seq,
                                     seen->first.second));
      }
    }
  }

  const History& history_;
  const Sabotage sabotage_;
};

// How much had been promised before an operation: a disk that was good for as much need not be looked at again.
class Promises {
 public:
  explicit Promises(const History& history) {
    for (const auto& [name, fate] : history.readings) {
      at_.push_back(fate.reported_at);
      at_.push_back(fate.ack_reported_at);
    }
    for (const VersionFate* fate : {&history.setting, &history.pair}) {
      at_.insert(at_.end(), fate->reported_at.begin(), fate->reported_at.end());
    }
    std::sort(at_.begin(), at_.end());
  }
  std::ptrdiff_t Before(std::size_t point) const {
    return std::upper_bound(at_.begin(), at_.end(), point) - at_.begin();
  }

 private:
  std::vector<std::size_t> at_;
};

// That the workload did what it is meant to do.
void CountWork(const ModelDisk& disk, const History& history, CrashReplayResult& result) {
  for (const auto& [name, fate] : history.readings) {
    result.removed += fate.may_go_from != kNever ? 1 : 0;
    result.acknowledged += fate.ack_reported_at != kNever ? 1 : 0;
  }
  std::map<int, std::string> names;
  for (const ModelDisk::Operation& operation : disk.log()) {
    if (operation.kind == Kind::kCreate) names[operation.file] = operation.name;
    if (operation.kind == Kind::kFailedSync) result.failed_syncs += 1;
    if (operation.file < 0 || names[operation.file] != kFile) continue;
    if (operation.kind == Kind::kSync) result.checkpoints += 1;
    if (operation.kind == Kind::kTruncate) result.shrunk += 1;
  }
}

}  // namespace

CrashReplayResult ReplayCrashes(const CrashReplayOptions& options) {
  const auto disk = MakeDisk({}, options.sabotage);
  disk->ignore_syncs = options.sabotage == Sabotage::kSyncsDoNothing;
  Workload workload(*disk, options);
  const History history = workload.Run();
  CrashReplayResult result;
  result.lost_for_space = workload.lost_for_space;
  result.packed = workload.packed;
  result.salvaged = workload.salvaged;
  Checker checker(history, options.sabotage);
  std::mt19937_64 random(options.seed);
  PowerCut cut(*disk, {});
  CountWork(*disk, history, result);
  const Promises promises(history);
  std::unordered_map<std::uint64_t, std::ptrdiff_t> good_for;  // by disk
  const auto check = [&](const DiskImage& image, std::size_t point) -> std::unique_ptr<ModelDisk> {
    const auto [known, fresh] = good_for.try_emplace(HashOf(image), -1);
    if (known->second == promises.Before(point)) return nullptr;
    known->second = promises.Before(point);
    result.checked += 1;
    result.distinct.insert(known->first);
    return checker.Check(image, point);
  };
  for (std::size_t point = 0; point <= disk->operations(); ++point) {
    cut.Advance(point);
    result.points += 1;
    for (int i = -2; i < options.arbitrary; ++i) {
      if (i > -2 && !cut.open()) break;
      const auto survivors = i == -2   ? PowerCut::Survivors::kNothing
                             : i == -1 ? PowerCut::Survivors::kEverything
                                       : PowerCut::Survivors::kArbitrary;
      const DiskImage image = cut.Image(survivors, random);
      const auto afterwards = check(image, point);
      if (afterwards == nullptr || random() % kSecondCutEvery != 0) continue;
      PowerCut second(*afterwards, image);
      second.Advance(random() % (afterwards->operations() + 1));
      check(second.Image(PowerCut::Survivors::kArbitrary, random), point);
    }
  }
  result.violations = checker.violations;
  result.lost = checker.lost;
  result.first_violations = std::move(checker.first);
  return result;
}

}  // namespace penumbra::test
