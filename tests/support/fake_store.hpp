// An in-memory Store for unit tests of what stands above it: commits at once, answers after `latency`, keeps every
// promise of store.hpp but durability.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "event/loop.hpp"
#include "store/store.hpp"
#include "store/time_book.hpp"

namespace penumbra::test {

class FakeStore : public Store {
 public:
  explicit FakeStore(EventLoop& loop) : loop_(loop) {}

  Duration latency = std::chrono::milliseconds(1);
  std::size_t pages_read = 0;
  std::size_t largest_page = 0;
  std::size_t short_page = SIZE_MAX;  // ReadUnsent may answer fewer than asked for
  std::optional<Error> read_error;
  std::map<std::string, std::set<std::uint64_t>> acked;
  TimeBook times;
  std::int64_t newest_trusted_ms = 0;

  void Append(Reading reading) override {
    auto& readings = readings_[reading.thing];
    reading.seq = readings.empty() ? first_seq : readings.rbegin()->first + 1;
    readings[reading.seq] = reading;
    if (committed_) committed_({reading});
  }
  void OnCommitted(std::function<void(const std::vector<Reading>&)> handler) override {
    committed_ = std::move(handler);
  }
  void Acked(const std::string& thing, std::uint64_t seq) override { acked[thing].insert(seq); }

  void ReadUnsent(const std::string& thing, std::uint64_t after_seq, std::size_t limit,
                  std::function<void(Result<std::vector<Reading>>)> done) override {
    ++pages_read;
    auto page = Unsent(thing, after_seq, limit);
    largest_page = std::max(largest_page, page.size());
    timers_.push_back(loop_.After(latency, [this, done = std::move(done), page = std::move(page)] {
      read_error ? done(Fail(*read_error)) : done(page);
    }));
    if (timers_.size() > 1000) timers_.erase(timers_.begin(), timers_.begin() + 500);
  }
  void Query(ReadingQuery, std::function<void(Result<std::vector<StoredReading>>)> done) override {
    done(std::vector<StoredReading>{});
  }

  OutboxState Outbox(const std::string& thing) const override {
    OutboxState state;
    std::copy_if(gaps.begin(), gaps.end(), std::back_inserter(state.gaps),
                 [&thing](const Gap& gap) { return gap.thing == thing; });
    const auto found = readings_.find(thing);
    if (found == readings_.end() || found->second.empty()) return state;
    const auto acks = acked.find(thing);
    for (const auto& [seq, reading] : found->second) {
      if (acks != acked.end() && acks->second.count(seq) == 1) continue;
      if (state.unsent++ == 0) {
        state.oldest_unsent_seq = seq;
        state.oldest_unsent_ms = reading.unix_ms;
      }
    }
    state.newest_seq = found->second.rbegin()->first;
    state.newest_ms = found->second.rbegin()->second.unix_ms;
    return state;
  }
  std::vector<Gap> gaps;  // of all things
  std::vector<Gap> told;
  void GapTold(const Gap& gap) override {
    told.push_back(gap);
    std::erase(gaps, gap);
  }
  void PutWallHistory(WallHistory history) override { times.Put(std::move(history)); }
  WallHistory WallHistoryOf(const std::string& boot_id) const override {
    const WallHistory* known = times.Of(boot_id);
    return known != nullptr ? *known : WallHistory{boot_id, {}};
  }
  void LowerNewestTrusted(std::int64_t) override {}
  void Vacuum(std::function<void(Result<std::uint64_t>)> done) override { done(0); }
  std::vector<std::string> Things() const override { return {}; }
  std::int64_t NewestTrustedMs() const override { return newest_trusted_ms; }
  StoreStats Stats() const override { return {}; }
  std::optional<std::string> Setting(const std::string& key) const override {
    const auto found = settings_.find(key);
    return found == settings_.end() ? std::nullopt : std::optional(found->second);
  }
  void PutSetting(const std::string& key, std::optional<std::string> value,
                  std::function<void(Status)> durable) override {
    value ? void(settings_[key] = *value) : void(settings_.erase(key));
    if (durable) durable({});
  }
  // There is no database behind this one.
  void Transact(std::function<Status(Database&)>, std::function<void(Status)> done) override {
    done(Fail(Action::kGiveUp, "the fake store has no database"));
  }
  void Read(std::function<Status(Database&)>, std::function<void(Status)> done) override {
    done(Fail(Action::kGiveUp, "the fake store has no database"));
  }
  void Flush(std::function<void(Status)> done) override { done({}); }

  std::uint64_t first_seq = 1'700'000'000'000;

 private:
  std::vector<Reading> Unsent(const std::string& thing, std::uint64_t after, std::size_t limit) {
    std::vector<Reading> page;
    for (const auto& [seq, reading] : readings_[thing]) {
      if (seq <= after || acked[thing].count(seq) == 1) continue;
      if (page.size() == std::min(limit, short_page)) break;
      page.push_back(reading);
      times.Redate(page.back());
    }
    return page;
  }

  EventLoop& loop_;
  std::map<std::string, std::map<std::uint64_t, Reading>> readings_;
  std::map<std::string, std::string> settings_;
  std::function<void(const std::vector<Reading>&)> committed_;
  std::vector<SubscriptionPtr> timers_;
};

}  // namespace penumbra::test
