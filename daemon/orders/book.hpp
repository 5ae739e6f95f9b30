// The orders of one thing: what was asked, how far it got, what the cloud was told. Pure state machine on the caller's
// time; what must survive a crash is in the rows. Loop thread.
//
// Promises, whatever is killed, lost, repeated or reordered:
//   an order with an id is done at most once, and one that was accepted gets its final answer;
//   a reboot is never asked of the machine twice, and is answered after the boot id has changed;
//   what is too old when its turn comes is not done; `set` (which moves something) only when its age is known, and
//   never after a newer one for the same key;
//   what does not say when it was sent is as old as it may be: the cloud keeps messages for a thing that is away;
//   a job that the cloud has ended is not begun, and what can be taken back of it (Withdrawable) is, until it is done.
//   Whether it has is asked by saying "in progress" once more: when the head of the queue is another, after every
//   connect, and, of what a process before us had begun, before it is gone on with (resume_patience at most).
// One order is done at a time and thing, in the order of receipt.
//
// Contract with the caller: what Advance() gives is carried out in its order: commit `save` and `forget`, and only when
// that is durable (then OnSaved) publish and act. Deliberately no I/O, no timers, no doing: orders.hpp ties those to
// it. Source: aws-iot-core.md, section 5 (state machine 1-5) and "Seed against reality"; interfaces.md, "Commands".
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "event/backoff.hpp"
#include "orders/answers.hpp"
#include "orders/job_question.hpp"
#include "orders/loose_answers.hpp"
#include "orders/order.hpp"
#include "orders/parse.hpp"

namespace penumbra::orders {

struct BookOptions {
  Duration ttl = std::chrono::minutes(10);               // of commands and executions that bring none
  Duration announce_patience = std::chrono::seconds(5);  // what is no job goes on although nobody confirmed "accepted"
  Duration answer_timeout = std::chrono::seconds(10);    // for the cloud's answer to what we told it
  Duration retry_base = std::chrono::seconds(10);        // as AWS's own device client: 10 s doubling to 640 s
  Duration retry_max = std::chrono::seconds(640);
  Duration reboot_patience = std::chrono::minutes(5);   // a machine still up after that did not reboot
  Duration resume_patience = std::chrono::seconds(30);  // for the cloud's word on a job that was begun before a restart
  std::size_t max_open = 32;                            // orders under way; more are refused
  std::size_t max_remembered = 128;                     // answered ones that are kept, so that they are not done again
  std::size_t max_shown = 16;                           // ended ones that are not stored, kept in memory to be shown
  int max_refusals = 10;                                // of an answer by the cloud, before it is given up
};

struct BookCounters {
  std::uint64_t received = 0, duplicates = 0, done = 0, failed = 0, rejected = 0, expired = 0;
  std::uint64_t answered = 0, retries = 0, cancelled = 0, answers_lost = 0, ignored = 0;
};

struct Act {
  std::uint64_t ticket = 0;
  OrderRow row;          // with the verdict kCancelled: what was begun is to be taken back
  bool resumed = false;  // it may have been done, in part or whole, before a crash
};

using OrderKey = std::pair<Channel, std::string>;  // channel and id

struct Effects {
  std::uint64_t batch = 0;  // for OnSaved
  std::vector<OrderRow> save;
  std::vector<OrderKey> forget;
  std::vector<Publication> publish;
  std::optional<Act> act;
  std::vector<OrderRow> refused;  // never begun; for the log, and whether or not the rest becomes durable
  bool durable() const { return save.empty() && forget.empty(); }
};

class OrderBook {
 public:
  // Whether an order may be done now; the error's message is what its sender is told. kRetry: not yet.
  using Check = std::function<Status(const OrderRow&, Moment)>;

  // Begins with what was stored. `session` makes tokens and names unique among processes: short, [a-zA-Z0-9].
  OrderBook(std::string thing, std::vector<OrderRow> rows, const BookOptions& options, Check check, std::string boot_id,
            Moment now, std::string session, std::uint64_t seed);

  static std::vector<std::string> Filters(const std::string& thing);

  void OnOnline();
  void OnOffline();
  // Topics that are not this thing's orders are ignored; foreign bytes are answered or counted. `waited`: how long at
  // most it may have waited in the cloud for a thing that was away.
  void OnMessage(std::string_view topic, std::string_view payload, Moment now, Duration waited = Duration::zero());
  // The PUBACK of a publication, or why there is none.
  void OnPublished(const std::string& token, const Status& status, Moment now);
  // False: it is not waited for (any more).
  bool OnActed(std::uint64_t ticket, Outcome outcome);
  void OnSaved(std::uint64_t batch);
  // What Advance gave did not become durable and was not carried out.
  void OnSaveFailed(const Effects& lost);

  Effects Advance(Moment now);
  // When to call Advance next without another input.
  std::optional<BootTime> Due() const;

  std::vector<OrderRow> rows() const;
  // The newest max_shown that have ended and are not stored, because nothing could be recognised by them: those without
  // an id, and those that there was no room for. For the operator; a restart forgets them.
  const std::deque<OrderRow>& shown() const { return shown_; }
  bool Quiet() const;                         // nothing under way, nothing to tell
  bool Doing(std::string_view action) const;  // such an order was begun and has not come to its end
  const BookCounters& counters() const { return counters_; }

 private:
  struct Entry {
    OrderRow row;
    bool dirty = false;
    std::uint64_t saving = 0;  // the batch that carries it; 0: durable
    bool announced = false;    // confirmed, or nobody needs it
    bool doubted = false;      // of a job: the cloud may have ended it; to be asked
    // The report on its way.
    std::string token;  // "": none
    bool final = false;
    bool taken = false;     // its PUBACK is there
    bool accepted = false;  // the cloud's answer is there, and its PUBACK not yet
    BootTime deadline{};
    BootTime after{};  // not before
    Backoff backoff;
    int refusals = 0;
    std::optional<BootTime> waits_since;  // for the confirmation of "accepted"
    std::optional<BootTime> asked_again;  // Check said not yet; when to ask again
  };
  struct Running {
    OrderKey key;
    std::uint64_t ticket = 0;
  };

  // What comes in: book_messages.cpp.
  void OnCommand(std::string_view payload, Moment now, Duration waited);
  void OnExecution(std::string_view id, std::string_view format, std::string_view payload, Moment now, Duration waited);
  void OnExecutionAnswer(const std::string& id, bool accepted, std::string_view payload, Moment now);
  void OnJobMessage(std::string_view stub, std::string_view payload, Moment now);
  void OnNotify(const Json& body);
  void OnStarted(const Json& body, Moment now);
  void OnJobUpdated(const std::string& job, bool accepted, const Json& body, Moment now);
  void NewJob(const std::string& job, std::int64_t number, const Json& execution, Request request, Moment now);

  void Receive(OrderRow row, Request request, Moment now, Duration waited);
  bool Repeated(const OrderKey& key);
  bool IdTaken(const OrderKey& key, const Request& request) const;
  void Doubt(Entry& entry);
  bool NamelessRebootUnderWay() const;

  // What happens next, and what goes out: book.cpp.
  Entry* Find(const OrderKey& key);
  Entry* FindToken(const std::string& token);
  std::size_t OpenCount() const;
  const Entry* OpenJob() const;

  void CheckDeadlines(Moment now);
  Entry* Current();
  void Move(Entry& entry, Moment now, Effects& effects);
  bool MayBegin(Entry& entry, Moment now);
  std::optional<std::string> TooOld(const Entry& entry, Moment now, bool& wait) const;
  bool Overtaken(const OrderRow& row) const;
  void Begin(Entry& entry, Moment now, Effects& effects);
  void Resume(Entry& entry, Moment now, Effects& effects);
  bool WaitsForTheCloudsWord(const Entry& entry, BootTime now) const;
  void StartAct(Entry& entry, bool resumed, Effects& effects);
  void End(Entry& entry, Outcome outcome);
  void Refused(const OrderRow& row);
  void Confirmed(Entry& entry);
  void Cancelled(Entry& entry, const std::string& why);
  void Answered(Entry& entry);
  void TellLater(Entry& entry, Moment now);

  void CollectReports(Moment now, Effects& effects);
  void Report(Entry& entry, bool final, Moment now, Effects& effects);
  void CollectStartNext(Moment now, Effects& effects);
  void CollectRows(Effects& effects);
  void Show(OrderRow row);
  std::string NewToken();

  const std::string thing_;
  const BookOptions options_;
  const Check check_;
  const std::string boot_id_;
  const BootTime started_;
  const std::string session_;
  Random random_;
  std::map<OrderKey, Entry> entries_;
  LooseAnswers loose_;
  std::deque<OrderRow> shown_;
  std::vector<OrderRow> refused_;  // since the last Advance, max_shown at most
  std::vector<OrderKey> forget_;
  std::optional<Running> running_;
  bool online_ = false;
  std::int64_t next_seq_ = 1;
  std::uint64_t next_token_ = 1;
  std::uint64_t next_ticket_ = 1;
  std::uint64_t next_batch_ = 1;

  JobQuestion question_;
  BookCounters counters_;
};

}  // namespace penumbra::orders
