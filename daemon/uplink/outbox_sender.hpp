// One thing's telemetry in one session: which reading goes next. Fresh readings first, newest first, or collected in
// arrays where batch_interval says so; then the backlog, oldest first, page by page from the store. Deliberately
// without connection, rate and window: link_session.hpp has those. What seems to cost us the connection (suspects.hpp)
// goes alone, after all others. Loop thread.
//
// No reading goes twice in a session: each that was taken in is in `claimed_` until it is released. Memory is bounded
// whatever the backlog: at most kMaxFresh fresh readings and a page and a half of backlog, and nothing while offline.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "event/loop.hpp"
#include "event/time_trust.hpp"
#include "model/reading.hpp"
#include "model/settings.hpp"
#include "mqtt/transport.hpp"
#include "store/store.hpp"
#include "uplink/seq_set.hpp"
#include "uplink/suspect_memory.hpp"
#include "uplink/suspects.hpp"
#include "uplink/time_wait.hpp"
#include "uplink/topic_suspension.hpp"

namespace penumbra {

class OutboxSender {
 public:
  static constexpr std::size_t kPage = 64;       // readings asked of the store at once
  static constexpr std::size_t kMaxFresh = 256;  // beyond, the oldest of them goes with the backlog
  static constexpr Duration kTrustPoll = std::chrono::seconds(1);
  static constexpr Duration kStoreRetry = std::chrono::seconds(1);
  static constexpr Duration kLookBehind = std::chrono::seconds(10);

  struct Message {
    std::string topic;
    std::string payload;
    std::vector<std::uint64_t> seqs;
    bool alone = false;  // nothing else may be in flight with it
  };

  // All references outlive the sender. `wake` says that Next() may have something again.
  OutboxSender(const ThingSettings& thing, EventLoop& loop, Store& store, TimeTrust& trust, Duration patience,
               const TopicSuspension& suspension, std::function<void()> wake);

  // The session is up: starts with the oldest of the backlog. `server`: what it takes.
  void Begin(const mqtt::Session& server);
  // The session is over: forgets everything, the store has it.
  void End();
  // A reading has just been committed; only while the session is up.
  void Committed(const Reading& reading);
  // The next message, or nullopt: nothing to send now. `idle`: nothing is in flight.
  std::optional<Message> Next(bool idle);
  // The cloud has acknowledged it.
  void Accepted(std::uint64_t seq);
  // The message was not accepted: its readings are sent again later.
  void Release(const std::vector<std::uint64_t>& seqs);
  // The cloud refused the message although it takes others on its topic: its readings are sent again alone. True: it
  // was one that has been refused before, and is set aside.
  bool Refused(const std::vector<std::uint64_t>& seqs, std::string_view why);
  // They were in flight when the session ended, which may be the fault of one of them; before End. True: one has just
  // been set aside.
  bool Struck(const std::vector<std::uint64_t>& seqs);
  // Readings set aside now, and how often one has been.
  std::size_t set_aside() const { return suspects_.set_aside(); }
  std::uint64_t set_aside_total() const { return set_aside_total_; }
  // Sends nothing for a while (the cloud said "quota exceeded").
  void Pause(Duration pause);

  // "waits for a trusted clock" and the like; empty: nothing special.
  std::string Waiting(std::uint64_t seq) const;
  // Whether readings are on their way from the store, so that Next may have one in a moment.
  bool reading() const { return reading_; }
  std::size_t held() const { return fresh_.size() + backlog_.size(); }

 private:
  bool MayUse(const std::string& topic);
  std::optional<Message> NextFresh(const TimeNow& now);
  std::optional<Message> NextBacklog(const TimeNow& now);
  std::optional<Message> NextSuspect(const TimeNow& now);
  std::optional<Message> NextOfAny(const TimeNow& now, bool idle);
  bool Fits(const Message& message);
  bool Forgive(std::uint64_t seq);
  void Rewind(const std::vector<std::uint64_t>& seqs);
  void ReadSuspect();
  void ToldSetAside(std::uint64_t seq, std::string_view why);
  Message Single(const Reading& reading) const;
  Message Batch(std::deque<Reading>& from, const TimeNow& now);
  bool Collecting();
  std::size_t BatchLimit() const;
  Reading Dated(Reading reading) const;
  bool Batching();
  bool Ready(const Reading& reading, const TimeNow& now);
  void TrimFresh();
  void LookBehind();
  void ReadPage();
  void TakePage(std::uint64_t after, const Result<std::vector<Reading>>& page);
  void WakeIn(Duration delay);
  TimeNow Now();

  const ThingSettings& thing_;
  const std::string batch_topic_;
  EventLoop& loop_;
  Store& store_;
  TimeTrust& trust_;
  const Duration patience_;
  const TopicSuspension& suspension_;
  const std::function<void()> wake_;

  bool up_ = false;
  std::deque<Reading> fresh_;    // ascending
  BootTime fresh_since_{};       // when the first of them came
  std::deque<Reading> backlog_;  // ascending
  SeqSet claimed_;               // taken in, in flight, acknowledged or left to NextSuspect in this session
  mqtt::Session server_;
  Suspects suspects_;               // by seq, over all sessions
  SuspectMemory memory_;            // and over restarts
  std::optional<Reading> suspect_;  // the one whose time has come
  bool reading_suspect_ = false;
  std::uint64_t set_aside_total_ = 0;
  std::uint64_t cursor_ = 0;           // the backlog is read up to here
  bool exhausted_ = false;             // nothing in the store behind the cursor that is not claimed
  bool reading_ = false;               // a page is on its way
  std::optional<BootTime> went_down_;  // when the last session ended
  BootTime reachable_since_{};
  BootTime paused_until_{};
  BootTime look_behind_at_{};  // not before
  SubscriptionPtr timer_;
  BootTime timer_due_{};
  std::shared_ptr<bool> session_ = std::make_shared<bool>(false);  // false: the session of this token is over
};

}  // namespace penumbra
