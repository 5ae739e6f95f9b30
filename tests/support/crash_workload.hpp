// The life of a store that crash_replay.hpp cuts the power under: what is done to it, on a model disk and virtual time,
// and a record of what it reported and when, counted in operations of the disk.
#pragma once

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "store/migrations.hpp"
#include "store/store_worker.hpp"
#include "support/crash_replay.hpp"
#include "support/model_disk.hpp"
#include "support/stored_readings.hpp"

namespace penumbra::test {

inline constexpr const char* kFile = "/store/penumbra.db";
inline constexpr std::uint64_t kMaxSize =
    56 * 1024;  // of the store: small blocks, an early checkpoint, early retention
inline constexpr std::size_t kNever = SIZE_MAX;
inline constexpr std::array kThings = {"boiler", "pump", "roof"};
inline constexpr const char* kAfterwards = "after-the-cut";  // boot id of readings that the workload did not make

using ReadingName = std::pair<std::string, std::uint64_t>;  // of a reading: thing and seq

struct ReadingFate {
  Reading reading;
  std::size_t reported_at = kNever;  // operations done when it was reported as committed
  std::size_t may_go_from = kNever;
  std::size_t ack_begun_at = kNever;
  std::size_t ack_reported_at = kNever;
};

// Versions 1, 2, 3 ... of something that is replaced by each commit.
struct VersionFate {
  std::vector<std::size_t> begun_at;
  std::vector<std::size_t> reported_at;
};

struct History {
  std::map<ReadingName, ReadingFate> readings;
  VersionFate setting;
  VersionFate pair;                   // two tables written by one transaction
  std::size_t salvage_from = kNever;  // a damaged file from which all readings come back, but not who was sent
};

// A mark file that is written and never read.
class ForgetfulDisk : public ModelDisk {
 public:
  using ModelDisk::ModelDisk;
  Result<std::optional<std::string>> Read(const std::filesystem::path& path) override {
    if (path.extension() == ".seq") return std::nullopt;
    return ModelDisk::Read(path);
  }
};

// After a failed sync nothing is written again.
class ForgivingDisk : public ModelDisk {
 public:
  using ModelDisk::ModelDisk;
  Status Rewrite(const std::filesystem::path&) override { return {}; }
};

inline std::unique_ptr<ModelDisk> MakeDisk(const DiskImage& image, Sabotage sabotage) {
  if (sabotage == Sabotage::kFailedSyncForgiven) return std::make_unique<ForgivingDisk>(image);
  if (sabotage == Sabotage::kMarkIgnored) return std::make_unique<ForgetfulDisk>(image);
  return std::make_unique<ModelDisk>(image);
}

inline void Must(const Status& status) {
  if (!status) throw std::runtime_error("the workload cannot go on: " + status.error().message);
}

inline Reading MakeReading(const std::string& thing, std::int64_t unix_ms, double value, const std::string& boot) {
  Reading reading;
  reading.thing = thing;
  reading.unix_ms = unix_ms;
  reading.boot_ns = unix_ms * 1'000'000 + 77;
  reading.boot_id = boot;
  // Values that do not pack well, so that a few hundred readings fill the store.
  for (const char* point : {"temperature", "humidity", "pressure", "voltage", "current"}) {
    reading.values.push_back({point, value /= 7, Quality::kGood, ""});
  }
  return reading;
}

// A store's worker on a model disk and virtual time, without a thread.
class Bench {
 public:
  explicit Bench(ModelDisk& disk, std::uint64_t max_size = kMaxSize) : disk_(disk) {
    Store::Options options;
    options.file = kFile;
    options.settings.commit_interval = Duration::zero();
    options.settings.max_size = max_size;
    options.settings.min_free = 0;
    options.vfs = disk.vfs();
    options.files = &disk;
    options.now = [this] { return now_; };
    worker_ = std::make_shared<StoreWorker>(options);
  }

  Status Open() {
    if (const Status opened = worker_->Open(); !opened) return opened;
    worker_->Attach([this](WorkerReport report) {
      for (Reading& reading : report.readings) committed.emplace_back(std::move(reading), disk_.operations());
      for (const auto& done : report.done) done();
    });
    return {};
  }

  StoreWorker& worker() { return *worker_; }

  // Runs what is due now, and maintenance a second later. false: the store does not get its commits through.
  bool Settle() {
    bool flushed = false;
    for (int attempt = 0; attempt < 8 && !flushed; ++attempt) {
      // Shared: while the store is in trouble the answer may come long after we stopped to wait.
      const auto result = std::make_shared<std::optional<Status>>();
      worker_->PushFlush([result](Status status) { *result = std::move(status); });
      for (int turn = 0; turn < 4 && !*result; ++turn) worker_->Turn();
      flushed = *result && **result;
      if (!flushed) now_ += std::chrono::seconds(10);  // past every pause before the next attempt
    }
    now_ += std::chrono::seconds(2);
    Maintain();
    return flushed;
  }
  void Maintain() {
    for (int turn = 0; turn < 60; ++turn) {
      const std::size_t before = disk_.operations();
      worker_->Turn();
      if (disk_.operations() == before) break;
    }
  }
  void Close() { worker_->Close(); }
  // Until all of a damaged file that can be read is back.
  void FinishSalvage() {
    for (int i = 0; i < 50 && worker_->stats().salvaging; ++i) Settle();
  }

  template <typename Work>
  Status Transact(Work work) {
    const auto result = std::make_shared<std::optional<Status>>();
    worker_->PushWork({work, [result](Status status) { *result = std::move(status); }, {}});
    for (int turn = 0; turn < 4 && !*result; ++turn) worker_->Turn();
    return *result ? **result : Status(Fail(Action::kRetry, "no answer"));
  }

  Result<std::vector<StoredReading>> All(const std::string& thing) { return AllOf(*worker_, thing); }

  std::vector<std::pair<Reading, std::size_t>> committed;  // with the operations done when it was reported

 private:
  ModelDisk& disk_;
  std::chrono::steady_clock::time_point now_{};
  std::shared_ptr<StoreWorker> worker_;
};

class Workload {
 public:
  Workload(ModelDisk& disk, const CrashReplayOptions& options)
      : disk_(disk), options_(options), random_(options.seed) {}

  History Run() {
    if (options_.seed % 2 == 0) StartWithSchema1();
    Start();
    for (int i = 0; i < 60; ++i) Step(1 + random_() % 12);
    Restart();
    for (int i = 0; i < 16; ++i) Step(20 + random_() % 40);  // until retention and vacuum have work
    FailASync();
    for (int i = 0; i < 6; ++i) Step(1 + random_() % 8);
    FillTheDisk();
    for (int i = 0; i < 6; ++i) Step(1 + random_() % 8);
    Restart();
    Step(5);
    DamageTheOutbox();
    for (int i = 0; i < 4; ++i) Step(1 + random_() % 8);
    Restart();
    DamageTheFile();
    for (int i = 0; i < 6; ++i) Step(1 + random_() % 8);
    Close();
    return std::move(history_);
  }
  // Readings thinned away, blocks packed and readings salvaged, in all lives.
  std::size_t lost_for_space = 0;
  std::size_t packed = 0;
  std::size_t salvaged = 0;

 private:
  // As the first Penumbra wrote it: without outbox, blocks or checksums of names.
  void StartWithSchema1() {
    auto database = Database::Open({.file = kFile, .vfs = disk_.vfs()}, nullptr).value();
    Must(Migrate(*database, EmbeddedMigrations().first(1)));
    SeqMark mark(std::string(kFile) + ".seq", disk_);
    Dictionary dictionary;
    const std::uint64_t first_seq = mark.FirstFor(wall_ms_);
    for (std::uint64_t i = 0; i < 5; ++i) {
      std::vector<Reading> readings;
      for (const char* thing : kThings) {
        readings.push_back(Fresh(thing));
        readings.back().seq = first_seq + i;
      }
      Must(mark.Reserve(first_seq + i));
      Must(database->Begin());
      const std::string blob = EncodeRow(readings, {}, dictionary);
      for (const Dictionary::Entry& entry : dictionary.TakeFresh()) {
        const char* sql = entry.kind == Dictionary::Kind::kThing  ? "INSERT INTO thing(id, name) VALUES(?, ?)"
                          : entry.kind == Dictionary::Kind::kWord ? "INSERT INTO word(id, text) VALUES(?, ?)"
                                                                  : "INSERT INTO point_set(id, points) VALUES(?, ?)";
        Must(database->Prepare(sql).value().Bind(1, entry.id).Bind(2, std::string_view(entry.text)).Run());
      }
      Must(database->Prepare("INSERT INTO journal(data) VALUES(?)").value().BindBlob(1, blob).Run());
      Must(database->Commit());
      for (const Reading& reading : readings) Note(reading, disk_.operations());
    }
    Must(mark.NextGeneration());
    Must(database->Execute(
        fmt::format("INSERT INTO meta(key, value) VALUES('closed', 1), ('generation', {})", mark.generation())));
  }

  void Start() {
    bench_ = std::make_unique<Bench>(disk_);
    Must(bench_->Open());
  }

  void Close() {
    lost_for_space += bench_->worker().stats().dropped_unsent;
    packed += bench_->worker().stats().packed_blocks;
    salvaged += bench_->worker().stats().salvaged;
    bench_->Close();
  }

  void Restart() {
    Close();
    Start();
  }

  Reading Fresh(const std::string& thing) {
    wall_ms_ += 1000;
    return MakeReading(thing, wall_ms_, static_cast<double>(random_() % 100'000) / 100,
                       fmt::format("boot-{}", options_.seed));
  }

  void Step(std::uint64_t readings) {
    const std::size_t begun = disk_.operations();
    const bool early = options_.sabotage == Sabotage::kReportBeforeCommit;
    for (std::uint64_t i = 0; i < readings; ++i) {
      bench_->worker().PushReading(Fresh(kThings[random_() % kThings.size()]), wall_ms_);
    }
    const std::vector<ReadingName> acks = PushAcks();
    const bool sets = random_() % 4 == 0;
    if (sets) PushSetting();
    const bool commits_pair = random_() % 3 == 0;
    const bool flushed = commits_pair ? CommitPair() && bench_->Settle() : bench_->Settle();
    const std::size_t reported = early ? begun : disk_.operations();
    NoteCommitted(early ? std::optional(begun) : std::nullopt);
    if (flushed) {
      for (const ReadingName& name : acks) history_.readings[name].ack_reported_at = reported;
      if (sets) history_.setting.reported_at.back() = reported;
    }
    NoteGone();
  }

  // Some of the oldest, as a link does that works off its backlog, and some anywhere.
  std::vector<ReadingName> PushAcks() {
    std::vector<ReadingName> acks;
    const std::uint64_t count = random_() % 16;
    for (auto& [name, fate] : history_.readings) {
      if (acks.size() >= count) break;
      if (fate.ack_begun_at != kNever || fate.may_go_from != kNever || random_() % 4 == 0) continue;
      fate.ack_begun_at = disk_.operations();
      bench_->worker().PushAck(name.first, name.second);
      acks.push_back(name);
    }
    return acks;
  }

  void PushSetting() {
    history_.setting.begun_at.push_back(disk_.operations());
    history_.setting.reported_at.push_back(kNever);
    bench_->worker().PushSetting("fact", std::to_string(history_.setting.begun_at.size()), {});
  }

  // A shadow and a command, as the shadow module writes them: both or neither.
  bool CommitPair() {
    VersionFate& pair = history_.pair;
    pair.begun_at.push_back(disk_.operations());
    pair.reported_at.push_back(kNever);
    const auto version = static_cast<std::int64_t>(pair.begun_at.size());
    const Status done = bench_->Transact([version](Database& database) -> Status {
      auto shadow = database.Prepare(
          "INSERT OR REPLACE INTO shadow(thing, name, cloud_exists, cloud_version, cloud_time, delta_version, mirror, "
          "desired_times, reported_local, reported_base, desired_pending, desired_base, local_rev, pushed_rev, "
          "delete_intent) VALUES('boiler', '', 1, ?, 0, 0, ?, '{}', '{}', '{}', '{}', '{}', 0, 0, 0)");
      if (!shadow) return Fail(shadow.error());
      const std::string mirror = fmt::format(R"({{"reported":{{"v":{},"text":"{}"}}}})", version,
                                             std::string(static_cast<std::size_t>(version) % 900, 'm'));
      if (const Status run = shadow->Bind(1, version).Bind(2, std::string_view(mirror)).Run(); !run) return run;
      auto command = database.Prepare(
          "INSERT OR REPLACE INTO command(thing, key, value, version, desired_s, received_ms, received_boot, "
          "received_boot_ns, state, reason) VALUES('boiler', 'setpoint', '1', ?, 0, 0, '', 0, 0, '')");
      if (!command) return Fail(command.error());
      return command->Bind(1, version).Run();
    });
    const bool early = options_.sabotage == Sabotage::kReportBeforeCommit;
    if (done) pair.reported_at.back() = early ? pair.begun_at.back() : disk_.operations();
    return true;
  }

  // The third sync from now fails, once; the kernel then takes the pages for written.
  void FailASync() {
    int syncs = 0;
    disk_.on_operation = [&syncs](ModelDisk::Kind kind, const std::string&, std::size_t) {
      return kind == ModelDisk::Kind::kSync && ++syncs == 3 ? ModelDisk::Fault::kIoError : ModelDisk::Fault::kNone;
    };
    for (int i = 0; i < 4; ++i) Step(4);
    disk_.on_operation = nullptr;
  }

  // Nothing can grow for two steps. Then there is room again.
  void FillTheDisk() {
    disk_.capacity = disk_.SpaceAt(kFile).free == UINT64_MAX ? Used() : 0;
    for (int i = 0; i < 2; ++i) Step(10);
    disk_.capacity = UINT64_MAX;
  }
  std::uint64_t Used() const {
    std::uint64_t used = 0;
    for (const auto& [name, bytes] : disk_.Contents()) used += bytes.size();
    return used;
  }

  // One page of the table that knows what was sent.
  void DamageTheOutbox() {
    Close();
    std::int64_t page = 0;
    {
      auto database = Database::Open({.file = kFile, .vfs = disk_.vfs()}, nullptr).value();
      page = database->Integer("SELECT rootpage FROM sqlite_schema WHERE name = 'outbox'").value();
    }
    history_.salvage_from = disk_.operations();
    const auto file = disk_.Find(kFile);
    const std::uint64_t at = static_cast<std::uint64_t>(page - 1) * Database::kPageSize;
    static_cast<void>(disk_.WriteAt(*file, at, std::string(ModelDisk::kSector, 'x')));
    static_cast<void>(disk_.Sync(*file));
    Start();
    bench_->FinishSalvage();
  }

  // The first page; all that it leads to comes back. The clock is back in 1970 as well: only the mark knows which seqs
  // were given.
  void DamageTheFile() {
    Close();
    const auto file = disk_.Find(kFile);
    // One sector, so that a power cut leaves the damage whole or not at all.
    static_cast<void>(disk_.WriteAt(*file, 0, std::string(ModelDisk::kSector, 'x')));
    static_cast<void>(disk_.Sync(*file));
    wall_ms_ = 1000;
    Start();
    bench_->FinishSalvage();
  }

  void Note(const Reading& reading, std::size_t reported_at) {
    ReadingFate& fate = history_.readings[{reading.thing, reading.seq}];
    fate.reading = reading;
    fate.reported_at = reported_at;
  }
  void NoteCommitted(std::optional<std::size_t> reported_at) {
    for (const auto& [reading, operations] : bench_->committed) Note(reading, reported_at.value_or(operations));
    bench_->committed.clear();
  }

  // What is gone may be missing from the moment on at which it was last seen: asking lets the store do its maintenance
  // too, and a store in trouble cannot be asked.
  void NoteGone() {
    const std::size_t asked_at = disk_.operations();
    std::set<ReadingName> there;
    for (const char* thing : kThings) {
      const auto all = bench_->All(thing);
      if (!all) return;
      for (const StoredReading& stored : *all) there.insert({thing, stored.reading.seq});
    }
    for (auto& [name, fate] : history_.readings) {
      if (fate.may_go_from == kNever && !there.contains(name)) fate.may_go_from = last_asked_at_;
    }
    last_asked_at_ = asked_at;
  }

  ModelDisk& disk_;
  const CrashReplayOptions options_;
  std::mt19937_64 random_;
  std::int64_t wall_ms_ = 1'700'000'000'000;
  std::size_t last_asked_at_ = 0;
  std::unique_ptr<Bench> bench_;
  History history_;
};

}  // namespace penumbra::test
