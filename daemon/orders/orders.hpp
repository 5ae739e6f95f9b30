// The orders of all things, tied to the world: the uplink's sessions, the store, whoever does what is ordered. All
// decisions are OrderBook's; this file only carries effects out in their order: commit, then publish, then do.
// Loop thread.
// Deliberately not here: what to do when (book.hpp), SQL (order_store.hpp), how anything is done (the Performer).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "event/loop.hpp"
#include "event/time_trust.hpp"
#include "orders/book.hpp"
#include "orders/order_store.hpp"
#include "uplink/uplink.hpp"

namespace penumbra::orders {

// The moments in the life of an order at which a crash must cost nothing; see Options::at_moment.
namespace moment {
inline constexpr std::string_view kBeforeCommit = "order-before-commit";  // it has arrived or moved on, not durable
inline constexpr std::string_view kCommitted = "order-committed";         // durable, nothing of it was carried out
inline constexpr std::string_view kAnnounced = "order-announced";         // "accepted" handed to the session
inline constexpr std::string_view kBeforeAct = "order-before-act";        // about to be done
inline constexpr std::string_view kActed = "order-acted";                 // done, the outcome is not durable
inline constexpr std::string_view kBeforeAnswer = "order-before-answer";  // the outcome is durable, nobody was told
inline constexpr std::string_view kAnswered = "order-answered";           // outcome handed to the session
inline constexpr std::string_view kConfirmed = "order-confirmed";         // confirmed, and that is not durable
}  // namespace moment

// Whoever does what is ordered.
class Performer {
 public:
  virtual ~Performer() = default;
  // May it be done now, and could it? The message is for the sender. kRetry: not yet; anything else: never.
  virtual Status Check(const std::string& thing, const OrderRow& order, Moment now) = 0;
  // Does it; `done` once, on the loop, not necessarily outside this call. `resumed`: a process before us may have done
  // it, in part or whole. A reboot is never resumed, and its `done` is called only when it cannot be done.
  virtual void Perform(const std::string& thing, const OrderRow& order, bool resumed,
                       std::function<void(Outcome)> done) = 0;
  // The cloud has ended an order that Perform was called for, perhaps by a process before us: what is not done is not
  // done any more, and what can be taken back is. `done` as above, and instead of Perform's, which is not waited for:
  // kCancelled, or kSucceeded if it was done by then and stays; the reason says what became of it.
  virtual void Withdraw(const std::string& thing, const OrderRow& order, std::function<void(Outcome)> done) = 0;
};

class Orders : public LinkClient {
 public:
  struct Options {
    BookOptions book;
    std::string session;     // unique among processes, [a-zA-Z0-9], at most 16 characters
    std::uint64_t seed = 1;  // of jitter
    // For tests that kill the process at a named moment; empty in the daemon that is shipped.
    std::function<void(std::string_view)> at_moment;
  };

  // All references outlive it.
  Orders(Options options, EventLoop& loop, TimeTrust& time_trust, OrderStore& store, Performer& performer);
  ~Orders() override;

  // Once, before the uplink starts: reads what is stored, then `done`. What cannot be read is reported in the log; a
  // store that cannot be read for kLoadPatience leaves the gateway without orders, because it would not know what was
  // done already.
  void Start(std::vector<std::string> things, std::function<void()> done);
  // Other things, while everything runs; after Start's `done`, and not while another one is under way. What is gone is
  // forgotten here and stays stored. `done`: the new ones are loaded, and their sessions may begin.
  void Reconfigure(const std::vector<std::string>& things, std::function<void()> done);
  // The daemon is stopping: nothing is begun from here on.
  void Stop();

  const OrderBook* Find(const std::string& thing) const;
  BookCounters Totals() const;

  std::vector<std::string> Subscriptions(const std::string& thing) override;
  // Commands and executions: of one that is acknowledged the cloud forgets that it exists. (A job is asked for anew.)
  std::vector<std::string> CommitFirst(const std::string& thing) override;
  void OnOnline(ThingLink& link) override;
  void OnOffline(ThingLink& link) override;
  void OnMessage(ThingLink& link, const std::string& topic, const std::string& payload) override;

 private:
  struct Entry {
    std::unique_ptr<OrderBook> book;
    ThingLink* link = nullptr;
    SubscriptionPtr timer;
    std::uint64_t saving = 0;  // the newest batch that the store has and has not answered; 0: none
    // Of received orders, with the batch that makes them durable.
    std::vector<std::pair<std::uint64_t, std::shared_ptr<mqtt::PendingAck>>> acks;
  };
  static constexpr Duration kSaveRetry = std::chrono::seconds(1);
  static constexpr Duration kLoadRetry = std::chrono::seconds(1);
  static constexpr Duration kLoadPatience = std::chrono::seconds(30);

  Moment Now();
  void Load(BootTime give_up);
  void Loaded(StoredOrders stored);
  void Advance(const std::string& thing);
  void Arm(const std::string& thing, Entry& entry);
  void TellRefused(const std::string& thing, const std::vector<OrderRow>& refused);
  void Saved(Entry& entry, std::uint64_t batch);
  void CarryOut(const std::string& thing, Entry& entry, Effects& effects);
  void NotSaved(const std::string& thing, Entry& entry, const Effects& effects, const Error& error);
  void Publish(const std::string& thing, Entry& entry, Publication publication);
  void Do(const std::string& thing, const Act& act);
  bool DoneElsewhere(const std::string& thing, std::string_view action) const;
  void Acted(const std::string& thing, std::uint64_t ticket, const OrderRow& order, const Outcome& outcome);
  Entry* FindEntry(const std::string& thing);
  void At(std::string_view moment) const {
    if (options_.at_moment) options_.at_moment(moment);
  }

  Options options_;
  EventLoop& loop_;
  TimeTrust& time_trust_;
  OrderStore& store_;
  Performer& performer_;
  std::vector<std::string> names_;
  std::function<void()> loaded_;
  std::map<std::string, Entry> things_;
  std::string store_trouble_;  // why the last commit failed; empty: it did not
  bool stopping_ = false;
  SubscriptionPtr load_timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace penumbra::orders
