// Hostile commands, job documents and executions: whatever comes on whatever topic, in any order, the orders of a thing
// neither crash nor grow beyond their limits, what they publish is what AWS would take, nothing with an id is done
// twice, what the cloud has ended is not gone on with, and a reboot is not asked of the machine again.
//
// The input is a script, one line an event, so that a corpus can be read and written by hand:
//   command PAYLOAD | execution ID PAYLOAD | job STUB PAYLOAD    messages ("job start-next/accepted {...}")
//   $TOPIC PAYLOAD    a message on this very topic
//   ~SECONDS          so long the messages from here on may have waited in the cloud
//   +SECONDS          time passes       online | offline | kill | reboot     the connection, a restart, a new boot
//   ok | bad          what is under way is done, or could not be          ack     everything published is acknowledged
#include <algorithm>
#include <deque>
#include <memory>
#include <set>

#include "fuzz/script.hpp"
#include "orders/answers.hpp"
#include "orders/book.hpp"

namespace {

using namespace penumbra;
using namespace penumbra::orders;
using fuzz::Require;

class Harness {
 public:
  Harness() { Start(); }

  void Line(std::string_view line) {
    if (line == "online") {
      book_->OnOnline();
    } else if (line == "offline") {
      book_->OnOffline();
    } else if (line == "kill" || line == "reboot") {
      if (line == "reboot") boot_ += 1;
      Start();
    } else if (line == "ok" || line == "bad") {
      AnswerAct(line == "ok");
    } else if (line == "ack") {
      for (const std::string& token : std::exchange(tokens_, {})) book_->OnPublished(token, {}, Now());
    } else if (line.starts_with('+')) {
      time_.Pass(fuzz::Seconds(line.substr(1)));
    } else if (line.starts_with('~')) {
      waited_ = fuzz::Seconds(line.substr(1));
    } else {
      Message(line);
    }
    Advance();
  }

 private:
  Moment Now() const { return time_.Now(); }

  void Start() {
    std::vector<OrderRow> rows;
    for (const auto& [key, row] : disk_) rows.push_back(row);
    act_.reset();
    tokens_.clear();
    const auto check = [](const OrderRow& row, Moment) -> Status {
      return row.action == kReadNow ? Status(Fail(Action::kGiveUp, "no sensor")) : Status{};
    };
    book_ = std::make_unique<OrderBook>("t1", std::move(rows), BookOptions{}, check, "boot-" + std::to_string(boot_),
                                        Now(), "f" + std::to_string(++lives_), 1);
    Advance();
  }

  void Message(std::string_view line) {
    const std::string_view kind = fuzz::Take(line, ' ');
    std::string topic(kind);
    if (kind == "command") topic = "commands/t1/x";
    if (kind == "execution") {
      topic = "$aws/commands/things/t1/executions/" + std::string(fuzz::Take(line, ' ')) + "/request/json";
    }
    if (kind == "job") topic = "$aws/things/t1/jobs/" + std::string(fuzz::Take(line, ' '));
    // A script cannot know the token that an answer has to carry.
    std::string payload(line);
    for (const std::string& token : tokens_) {
      const std::size_t at = payload.find("TOKEN");
      if (at == std::string::npos) break;
      payload.replace(at, 5, token);
    }
    book_->OnMessage(topic, payload, Now(), waited_);
  }

  void AnswerAct(bool well) {
    if (!act_) return;
    const std::uint64_t ticket = std::exchange(act_, std::nullopt)->ticket;
    book_->OnActed(ticket, well ? Outcome{} : Outcome{Verdict::kFailed, std::string(2000, 'x'), {{"a", "\xff"}}});
  }

  void Advance() {
    const Effects effects = book_->Advance(Now());
    for (const OrderRow& row : effects.save) Check(row), disk_.insert_or_assign({row.channel, row.id}, row);
    for (const OrderKey& key : effects.forget) disk_.erase(key);
    Require(disk_.size() <= BookOptions{}.max_open + BookOptions{}.max_remembered + 2, "more orders than allowed");
    book_->OnSaved(effects.batch);
    for (const Publication& publication : effects.publish) Check(publication);
    if (!effects.act) return;
    act_ = effects.act;
    const OrderRow& row = act_->row;
    // A job is tried again with another number, or made again under its name.
    const std::string name = std::to_string(static_cast<int>(row.channel)) + row.id + "#" + std::to_string(row.number) +
                             "@" + std::to_string(row.receipt.asked_ms);
    if (row.verdict == Verdict::kCancelled) {
      Require(act_->resumed && row.channel == Channel::kJob && row.action != kReboot, "taken back, and not begun");
      ended_.insert(name);
      return;
    }
    // What was forgotten may come again.
    const bool known = disk_.size() < BookOptions{}.max_remembered;
    if (known) Require(ended_.count(name) == 0, "gone on with what the cloud has ended");
    if (act_->resumed) {
      Require(row.action != kReboot, "a reboot is resumed");
      return;
    }
    if (known) Require(begun_.insert(name).second, "an order is begun twice");
  }

  static void Check(const OrderRow& row) {
    Require(!row.id.empty() && row.id.size() <= 2 * kMaxIdBytes, "an order's id");
    Require(row.action.size() <= kMaxActionBytes && row.reason.size() <= 1024, "an order's texts");
    const auto back = ParseJson(Dump(row.arguments));
    Require(back && back->is_object(), "an order that does not read back");
  }

  void Check(const Publication& publication) {
    const auto body = ParseJson(publication.payload);
    Require(body && body->is_object(), "an answer that is no JSON object");
    Require(publication.payload.size() <= 2 * kMaxPayloadBytes, "an answer that is too long");
    const bool ours = publication.topic == CommandAnswerTopic("t1") ||
                      publication.topic.starts_with("$aws/things/t1/jobs/") ||
                      publication.topic.starts_with("$aws/commands/things/t1/executions/");
    Require(ours, "a topic of another thing");
    Require(std::count(publication.topic.begin(), publication.topic.end(), '/') <= 7, "a topic with too many levels");
    tokens_.push_back(publication.token);
    if (tokens_.size() > 64) tokens_.pop_front();
  }

  fuzz::Time time_;
  Duration waited_{};  // of the messages that follow
  int boot_ = 1;
  int lives_ = 0;
  std::unique_ptr<OrderBook> book_;
  std::map<OrderKey, OrderRow> disk_;
  std::deque<std::string> tokens_;
  std::set<std::string> begun_, ended_;
  std::optional<Act> act_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::RunScript<Harness>(data, size);
  return 0;
}
