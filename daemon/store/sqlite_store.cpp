// Store on the loop's side: mirrors what the store thread has committed, so that Outbox, Setting and Stats answer at
// once. Thread: the loop thread.
#include <algorithm>
#include <iterator>
#include <utility>

#include "base/log.hpp"
#include "store/store.hpp"
#include "store/store_worker.hpp"

namespace penumbra {
namespace {

Error TooMany() {
  return {Action::kBackOff, "the store has too many requests waiting"};
}

Error InTrouble() {
  return {Action::kBackOff, "the store cannot be read now"};
}

class SqliteStore : public Store {
 public:
  SqliteStore(std::shared_ptr<StoreWorker> worker, EventLoop& loop) : worker_(std::move(worker)), loop_(loop) {}

  ~SqliteStore() override {
    if (!started_) return;
    if (!StoreWorker::Stop(worker_, kCloseTimeout)) {
      log::Error("store.close_failed", "the disk does not answer; what was queued may be lost");
    }
  }

  Status Open() {
    if (const Status opened = worker_->Open(); !opened) return opened;
    auto settings = worker_->Settings();
    if (!settings) return Fail(settings.error());
    settings_ = std::move(*settings);
    auto gaps = worker_->Gaps();
    if (!gaps) return Fail(gaps.error());
    gaps_ = std::move(*gaps);
    const Journal& journal = worker_->journal();
    for (const auto& [name, thing] : journal.things()) {
      things_[name] = {thing.unsent, thing.HolesNow(), thing.newest_seq, thing.newest_ms, 0, 0};
    }
    newest_trusted_ms_ = journal.newest_trusted_ms();
    times_ = worker_->times();
    stats_ = worker_->stats();
    started_ = true;
    StoreWorker::Start(worker_, [this, &loop = loop_, alive = std::weak_ptr(alive_)](WorkerReport report) {
      // A shared_ptr, because std::function wants to be copyable.
      auto shared = std::make_shared<WorkerReport>(std::move(report));
      loop.Post([this, alive, shared] {
        if (!alive.expired()) Apply(std::move(*shared));
      });
    });
    return {};
  }

  void Append(Reading reading) override { worker_->PushReading(std::move(reading), loop_.clock().UnixMs()); }

  void OnCommitted(std::function<void(const std::vector<Reading>&)> handler) override { handler_ = std::move(handler); }

  void Acked(const std::string& thing, std::uint64_t seq) override {
    const auto it = things_.find(thing);
    if (it == things_.end() || it->second.unsent.Remove(seq, seq) == 0) return;
    worker_->PushAck(thing, seq);
  }

  void ReadUnsent(const std::string& thing, std::uint64_t after_seq, std::size_t limit,
                  std::function<void(Result<std::vector<Reading>>)> done) override {
    auto answer = Answer<std::vector<Reading>>(std::move(done));
    Request(answer, [answer, thing, after_seq, limit](Journal& journal, Journal::Deadline deadline) {
      auto read = journal.ReadUnsent(thing, after_seq, limit, deadline);
      if (read && read->again) return false;
      if (read) {
        answer(std::move(read->readings));
      } else {
        answer(Fail(read.error()));
      }
      return true;
    });
  }

  void Query(ReadingQuery query, std::function<void(Result<std::vector<StoredReading>>)> done) override {
    query.limit = std::min(query.limit, kMaxQueryRows);
    auto answer = Answer<std::vector<StoredReading>>(std::move(done));
    auto state = std::make_shared<Journal::QueryState>();
    state->query = std::move(query);
    Request(answer, [answer, state](Journal& journal, Journal::Deadline deadline) {
      const Result<bool> complete = journal.ContinueQuery(*state, deadline);
      if (complete && !*complete) return false;
      if (complete) {
        answer(std::move(state->found));
      } else {
        answer(Fail(complete.error()));
      }
      return true;
    });
  }

  void PutWallHistory(WallHistory history) override {
    for (auto& [name, mirror] : things_) {
      if (mirror.newest_boot_id == history.boot_id) mirror.Redate(history);
    }
    times_.Put(history);
    worker_->PushWallHistory(std::move(history));
  }

  WallHistory WallHistoryOf(const std::string& boot_id) const override {
    const WallHistory* known = times_.Of(boot_id);
    return known != nullptr ? *known : WallHistory{boot_id, {}};
  }

  void LowerNewestTrusted(std::int64_t unix_ms) override {
    if (newest_trusted_ms_ <= unix_ms) return;
    newest_trusted_ms_ = unix_ms;
    worker_->PushNewestTrusted(unix_ms);
  }

  void Vacuum(std::function<void(Result<std::uint64_t>)> done) override {
    const bool taken = worker_->PushVacuum(Answer<std::uint64_t>([this, done](Result<std::uint64_t> given_back) {
      vacuuming_ = false;
      done(std::move(given_back));
    }));
    vacuuming_ = true;
    if (taken) return;
    loop_.Post([done] { done(Fail(Action::kBackOff, "the store is being vacuumed already")); });
  }

  void GapTold(const Gap& gap) override { worker_->PushGapTold(gap); }

  OutboxState Outbox(const std::string& thing) const override {
    const auto it = things_.find(thing);
    if (it == things_.end()) return {};
    const ThingMirror& mirror = it->second;
    const std::uint64_t oldest = mirror.unsent.FirstFrom(0).value_or(0);
    // Acks that came since the last commit may have moved the oldest one on; until then the newest is a fair answer
    // only when it is the same reading, else the last one known stands.
    const std::int64_t oldest_ms = oldest == 0 ? 0 : oldest == mirror.newest_seq ? mirror.newest_ms : mirror.oldest_ms;
    const std::uint64_t unsent = mirror.unsent.count() - std::min(mirror.unsent.count(), mirror.holes);
    OutboxState state{unsent, oldest, oldest_ms, mirror.newest_seq, mirror.newest_ms, {}};
    std::copy_if(gaps_.begin(), gaps_.end(), std::back_inserter(state.gaps),
                 [&thing](const Gap& gap) { return gap.thing == thing; });
    return state;
  }

  std::vector<std::string> Things() const override {
    std::vector<std::string> names;
    names.reserve(things_.size());
    for (const auto& [name, mirror] : things_) names.push_back(name);
    return names;
  }

  std::int64_t NewestTrustedMs() const override { return newest_trusted_ms_; }

  StoreStats Stats() const override {
    StoreStats stats = stats_;
    stats.dropped_queue_full = worker_->dropped();
    stats.vacuuming = vacuuming_;
    stats.gaps = gaps_.size();
    return stats;
  }

  std::optional<std::string> Setting(const std::string& key) const override {
    const auto it = settings_.find(key);
    return it == settings_.end() ? std::nullopt : std::optional(it->second);
  }

  void PutSetting(const std::string& key, std::optional<std::string> value,
                  std::function<void(Status)> durable) override {
    if (value) {
      settings_[key] = *value;
    } else {
      settings_.erase(key);
    }
    worker_->PushSetting(key, std::move(value), std::move(durable));
  }

  void Transact(std::function<Status(Database&)> work, std::function<void(Status)> done) override {
    if (worker_->PushWork({std::move(work), done, {}})) return;
    if (done) loop_.Post([done] { done(Fail(TooMany())); });
  }

  void Read(std::function<Status(Database&)> read, std::function<void(Status)> done) override {
    auto answer = Answer<void>(std::move(done));
    Request(answer, [answer, read = std::move(read)](Journal& journal, Journal::Deadline) {
      answer(read(journal.database()));
      return true;
    });
  }

  void Flush(std::function<void(Status)> done) override { worker_->PushFlush(std::move(done)); }

 private:
  struct ThingMirror {
    IntervalSet unsent;
    std::uint64_t holes = 0;  // of these: thinned
    std::uint64_t newest_seq = 0;
    std::int64_t newest_ms = 0;
    std::uint64_t oldest_seq = 0;
    std::int64_t oldest_ms = 0;
    // Of the newest reading, when it came in this run: to date it anew.
    std::string newest_boot_id = {};
    std::int64_t newest_boot_ns = 0;

    void Redate(const WallHistory& history) {
      Reading newest;
      newest.unix_ms = newest_ms;
      newest.boot_ns = newest_boot_ns;
      newest.boot_id = newest_boot_id;
      penumbra::Redate(newest, history);
      newest_ms = newest.unix_ms;
    }
  };

  // Brings an answer from the store thread to the loop.
  template <typename T>
  std::function<void(Result<T>)> Answer(std::function<void(Result<T>)> done) {
    return [&loop = loop_, alive = std::weak_ptr(alive_), done = std::move(done)](Result<T> result) {
      auto shared = std::make_shared<Result<T>>(std::move(result));
      loop.Post([alive, done, shared] {
        if (!alive.expired()) done(std::move(*shared));
      });
    };
  }

  template <typename Answer, typename Read>
  void Request(const Answer& answer, Read read) {
    const bool taken = worker_->PushRequest([answer, read](Journal* journal, Journal::Deadline deadline) {
      if (journal != nullptr) return read(*journal, deadline);
      answer(Fail(InTrouble()));
      return true;
    });
    if (!taken) answer(Fail(TooMany()));
  }

  void Apply(WorkerReport report) {
    for (const Reading& reading : report.readings) {
      ThingMirror& mirror = things_[reading.thing];
      mirror.unsent.Add(reading.seq, reading.seq);
      mirror.newest_seq = reading.seq;
      mirror.newest_ms = reading.unix_ms;
      mirror.newest_boot_id = reading.boot_id;
      mirror.newest_boot_ns = reading.boot_ns;
      if (const WallHistory* history = times_.Of(reading.boot_id)) mirror.Redate(*history);
      if (reading.time_trusted) newest_trusted_ms_ = std::max(newest_trusted_ms_, mirror.newest_ms);
    }
    for (const auto& [name, ranges] : report.gone) {
      for (const auto& [first, last] : ranges.map()) things_[name].unsent.Remove(first, last);
    }
    for (const WorkerReport::Returned& back : report.returned) {
      ThingMirror& mirror = things_[back.thing];
      for (const auto& [first, last] : back.unsent.map()) mirror.unsent.Add(first, last);
      if (mirror.newest_seq >= back.newest_seq) continue;
      mirror.newest_seq = back.newest_seq;
      mirror.newest_ms = back.newest_ms;
    }
    for (const auto& [name, holes] : report.holes) things_[name].holes = holes;
    if (report.gaps) gaps_ = std::move(*report.gaps);
    for (const WorkerReport::ThingOldest& oldest : report.oldest) {
      things_[oldest.thing].oldest_seq = oldest.seq;
      things_[oldest.thing].oldest_ms = oldest.ms;
    }
    stats_ = std::move(report.stats);
    // Handlers may destroy the store.
    const std::weak_ptr alive(alive_);
    if (handler_ && !report.readings.empty()) handler_(report.readings);
    for (const auto& done : report.done) {
      if (alive.expired()) return;
      done();
    }
  }

  std::shared_ptr<StoreWorker> worker_;
  EventLoop& loop_;
  bool started_ = false;
  std::map<std::string, ThingMirror> things_;
  std::map<std::string, std::string> settings_;
  std::int64_t newest_trusted_ms_ = 0;
  std::vector<Gap> gaps_;
  StoreStats stats_;
  bool vacuuming_ = false;
  TimeBook times_;
  std::function<void(const std::vector<Reading>&)> handler_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace

Result<std::unique_ptr<Store>> Store::Open(const Options& options, EventLoop& loop) {
  auto store = std::make_unique<SqliteStore>(std::make_shared<StoreWorker>(options), loop);
  if (const Status opened = store->Open(); !opened) return Fail(opened.error().WithContext("store"));
  return store;
}

}  // namespace penumbra
