// One thing's orders between a cloud (the stand-in's services), a disk that keeps what was committed, and a machine
// that does what is ordered, all without time of its own. It can be killed before and after everything it does.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "iotcore/commands_service.hpp"
#include "iotcore/jobs_service.hpp"
#include "orders/answers.hpp"
#include "orders/book.hpp"

namespace penumbra::orders::test {

inline constexpr const char* kThing = "t1";
inline constexpr std::int64_t kStartMs = 1'763'841'600'000;

struct Killed {};

class World {
 public:
  Moment now{BootTime{3'600'000'000'000}, kStartMs, true};
  std::string boot_id = "boot-1";
  iotcore::JobsService jobs;
  iotcore::CommandsService executions;
  std::map<OrderKey, OrderRow> disk;
  std::vector<Json> acks;  // on sensors/t1/command/ack
  std::vector<std::pair<std::string, std::string>> published;
  std::vector<std::string> refused;  // why, of each order that is told of in the log as not begun
  std::map<std::string, int> done;   // how often each action was done, reboot when the machine went down
  std::function<Outcome(const OrderRow&, bool resumed)> perform;  // default: success
  std::function<Status(const OrderRow&)> check = [](const OrderRow&) { return Status{}; };
  std::map<std::string, int> withdrawn;  // how often each action was taken back
  std::function<Outcome(const OrderRow&)> withdraw = [](const OrderRow&) {
    return Outcome{Verdict::kCancelled, "taken back", Json::object()};
  };
  bool holds = false;        // what is begun stays under way
  bool reboots = true;       // what is told to reboot does
  bool acknowledges = true;  // PUBACK
  bool saves = true;
  bool online = true;
  std::string ack_token;  // of the newest answer to a command
  int steps = 0;
  int kill_at = -1;
  BookOptions options;

  World() { Start(); }

  void Start() {
    std::vector<OrderRow> rows;
    for (const auto& [key, row] : disk) rows.push_back(row);
    book_ = std::make_unique<OrderBook>(
        kThing, std::move(rows), options, [this](const OrderRow& row, Moment) { return check(row); }, boot_id, now,
        "s" + std::to_string(++lives_), 7);
    inbox_.clear();
    if (online) book_->OnOnline();
    Pump();
  }

  // SIGKILL and a new start.
  void Restart() {
    book_.reset();
    Start();
  }
  void Reboot() {
    boot_id = "boot-" + std::to_string(++boots_);
    now.boot = BootTime{20'000'000'000};
    Restart();
  }
  void GoOffline() {
    online = false;
    book_->OnOffline();
    Pump();
  }
  void GoOnline() {
    online = true;
    book_->OnOnline();
    Pump();
  }

  void Command(const Json& payload) { CommandText(Dump(payload)); }
  void CommandText(const std::string& payload) {
    inbox_.push_back({std::string("commands/") + kThing + "/do", payload});
    Pump();
  }
  void CreateJob(const std::string& job, const Json& document, const std::string& option = "") {
    std::vector<std::string> words{"create", job, kThing};
    if (!option.empty()) words.push_back(option);
    words.push_back(Dump(document));
    Cloud(jobs.OnCommand(words, now.unix_ms).value());
  }
  Json Job(const std::string& job) { return jobs.OnCommand({"get", job, kThing}, now.unix_ms).value().json; }
  std::string JobStatus(const std::string& job) { return Job(job)["status"]; }
  void Control(iotcore::Service& service, const std::vector<std::string>& words) {
    Cloud(service.OnCommand(words, now.unix_ms).value());
  }
  void StartExecution(const std::string& id, const Json& payload) {
    Control(executions, {"start", kThing, "id=" + id, "timeout=60", Dump(payload)});
  }
  Json Execution(const std::string& id) { return executions.OnCommand({"get", id}, now.unix_ms).value().json; }

  // Time passes, with everything that becomes due on the way.
  void Advance(Duration time) {
    const BootTime end = now.boot + time;
    for (;;) {
      BootTime next = end;
      if (const auto due = book_->Due()) next = std::min(next, std::max(*due, now.boot + std::chrono::milliseconds(1)));
      now.unix_ms += (next - now.boot) / std::chrono::milliseconds(1);
      now.boot = next;
      Cloud({{}, jobs.OnTick(now.unix_ms)});
      Cloud({{}, executions.OnTick(now.unix_ms)});
      Pump();
      if (next >= end) return;
    }
  }

  std::vector<std::string> AckStatuses() const {
    std::vector<std::string> statuses;
    for (const Json& ack : acks) statuses.push_back(ack.at("status"));
    return statuses;
  }
  OrderBook& book() { return *book_; }

  void Pump() {
    if (pumping_) return;
    pumping_ = true;
    try {
      while (Round()) {
      }
    } catch (const Killed&) {
      pumping_ = false;
      throw;
    }
    pumping_ = false;
  }

 private:
  void Step() {
    if (steps++ == kill_at) throw Killed{};
  }

  void Cloud(const iotcore::Service::Reply& reply) {
    if (online) inbox_.insert(inbox_.end(), reply.publish.begin(), reply.publish.end());
    Pump();
  }

  // Answers whether anything happened.
  bool Round() {
    if (!inbox_.empty()) {
      const iotcore::Message message = std::move(inbox_.front());
      inbox_.pop_front();
      Step();
      book_->OnMessage(message.topic, message.payload, now);
    }
    Effects effects = book_->Advance(now);
    for (const OrderRow& row : effects.refused) refused.push_back(row.reason);
    if (!effects.durable()) {
      Step();
      if (!saves) {
        book_->OnSaveFailed(effects);
        return false;
      }
      for (const OrderRow& row : effects.save) disk.insert_or_assign({row.channel, row.id}, row);
      for (const OrderKey& key : effects.forget) disk.erase(key);
      Step();
      book_->OnSaved(effects.batch);
    }
    for (const Publication& publication : effects.publish) Publish(publication);
    if (effects.act) Do(*effects.act);
    return !effects.durable() || !effects.publish.empty() || effects.act || !inbox_.empty();
  }

  void Publish(const Publication& publication) {
    Step();
    published.emplace_back(publication.topic, publication.payload);
    if (publication.topic == CommandAnswerTopic(kThing)) {
      acks.push_back(Json::parse(publication.payload));
      ack_token = publication.token;
    }
    for (iotcore::Service* service :
         {static_cast<iotcore::Service*>(&jobs), static_cast<iotcore::Service*>(&executions)}) {
      const auto answers = service->OnMessage(publication.topic, publication.payload, now.unix_ms);
      inbox_.insert(inbox_.end(), answers.begin(), answers.end());
    }
    Step();
    if (acknowledges) book_->OnPublished(publication.token, {}, now);
  }

  void Do(const Act& act) {
    Step();
    if (act.row.verdict == Verdict::kCancelled) {
      ++withdrawn[act.row.action];
      Outcome outcome = withdraw(act.row);
      Step();
      book_->OnActed(act.ticket, std::move(outcome));
      return;
    }
    if (act.row.action == kReboot) {
      if (!reboots) return;
      ++done["reboot"];
      wants_reboot = true;
      throw Killed{};
    }
    ++done[act.row.action];
    if (holds) return void(held.push_back(act));
    Outcome outcome = perform ? perform(act.row, act.resumed) : Outcome{Verdict::kSucceeded, "", {{"n", 1}}};
    Step();
    book_->OnActed(act.ticket, std::move(outcome));
  }

  std::deque<iotcore::Message> inbox_;
  std::unique_ptr<OrderBook> book_;
  int lives_ = 0;
  int boots_ = 1;
  bool pumping_ = false;

 public:
  bool wants_reboot = false;
  std::vector<Act> held;
};

}  // namespace penumbra::orders::test
