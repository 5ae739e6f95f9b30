// Hostile shadow messages: whatever comes on whatever topic, in any order, the shadows of a thing neither crash nor
// grow beyond their limits, what they publish is a request that AWS would take, and what they store reads back equal.
//
// The input is a script, one line an event, so that a corpus can be read and written by hand:
//   STUB PAYLOAD      a message on $aws/things/t1/shadow/STUB: "update/delta {...}", "name/x/update/documents {...}"
//   $TOPIC PAYLOAD    a message on this very topic
//   +SECONDS          time passes       online | offline | kill     the connection, a restart from what was stored
//   ok | bad          the device has done the step it was given, or could not
#include <map>
#include <memory>
#include <optional>

#include "fuzz/script.hpp"
#include "shadow/thing_shadows.hpp"

namespace {

using namespace penumbra;
using namespace penumbra::shadow;
using fuzz::Require;

bool ReadsBack(const Json& value) {
  const auto back = ParseJson(Dump(value));
  return back && *back == value;
}

ThingSettings Settings() {
  const auto point = [](const char* name, bool writable) {
    PointSettings settings;
    settings.name = name;
    if (writable) settings.writable = WritePolicy{.min = 0, .max = 100};
    settings.driver_options = {{"type", "s32"}};
    return settings;
  };
  ThingSettings thing;
  thing.name = "t1";
  thing.bus = "b";
  thing.points = {point("temperature", false), point("setpoint", true), point("mode", true)};
  return thing;
}

class Harness {
 public:
  Harness() { Start(); }

  void Line(std::string_view line) {
    if (line == "online") {
      thing_->OnOnline(Now());
    } else if (line == "offline") {
      thing_->OnOffline();
    } else if (line == "kill") {
      Start();
    } else if (line == "ok" || line == "bad") {
      AnswerStep(line == "ok");
    } else if (line.starts_with('+')) {
      time_.Pass(fuzz::Seconds(line.substr(1)));
    } else {
      std::string topic(fuzz::Take(line, ' '));
      if (!topic.starts_with('$')) topic = "$aws/things/t1/shadow/" + topic;
      thing_->OnMessage(topic, line, Now());
    }
    Advance();
  }

 private:
  Moment Now() const { return time_.Now(); }

  void Start() {
    StoredThing stored;
    for (const auto& [name, row] : shadows_) stored.shadows.push_back(row);
    for (const auto& [key, row] : commands_) stored.commands.push_back(row);
    step_.reset();
    thing_ = std::make_unique<ThingShadows>(Settings(), std::move(stored), ThingOptions{}, "f", "boot-1", Now(), 1);
    Advance();
  }

  void AnswerStep(bool well) {
    if (!step_) return;
    const CommandBook::Step step = *std::exchange(step_, std::nullopt);
    if (step.kind == CommandBook::Step::Kind::kWrite) {
      return thing_->OnWritten(step.ticket, well ? Status{} : Fail(Action::kRetry, "no answer"), Now());
    }
    Reading reading;
    reading.values.push_back({step.key, step.value, well ? Quality::kGood : Quality::kBad, ""});
    thing_->OnRead(step.ticket, reading, Now());
  }

  void Advance() {
    const Effects effects = thing_->Advance(Now());
    for (const ShadowRow& row : effects.commit.shadows) Check(row), shadows_[row.name] = row;
    for (const std::string& name : effects.commit.removed_shadows) shadows_.erase(name);
    for (const CommandRow& row : effects.commit.commands) Check(row), commands_[row.key] = row;
    for (const std::string& key : effects.commit.removed_commands) commands_.erase(key);
    Require(shadows_.size() <= ThingOptions{}.max_named + 1, "more named shadows than allowed");
    Require(commands_.size() <= CommandBook::kMaxRows + 1, "more commands than allowed");
    Require(effects.publish.size() <= static_cast<std::size_t>(ThingOptions{}.max_in_flight), "too many requests");
    for (const Publication& publication : effects.publish) Check(publication);
    if (effects.step) step_ = effects.step;
  }

  static void Check(const ShadowRow& row) {
    Require(row.thing == "t1", "a row of another thing");
    Require(Depth(row.reported_local) <= kMaxDepth, "reported deeper than we send");
    Require(SectionBytes(row.reported_local) <= kMaxDocumentBytes, "reported larger than the cloud takes");
    for (const Json* part : {&row.mirror.state, &row.mirror.desired_times, &row.reported_local, &row.reported_base,
                             &row.desired_pending, &row.desired_base}) {
      Require(part->is_object() && ReadsBack(*part), "a row that does not read back");
    }
  }

  static void Check(const CommandRow& row) {
    Require(!row.key.empty() && row.key.size() <= CommandBook::kMaxKeyBytes, "a command's key");
    Require(ReadsBack(row.value), "a command's value does not read back");
  }

  static void Check(const Publication& publication) {
    const auto body = ParseJson(publication.payload);
    Require(body && body->is_object(), "a request that is no JSON object");
    Require(GetString(*body, "clientToken") == publication.token && publication.token.size() <= 64, "a token");
    const std::string operation = publication.topic.substr(publication.topic.rfind('/') + 1);
    Require(publication.topic.starts_with("$aws/things/t1/shadow/"), "a topic of another thing");
    Require(operation == "get" || operation == "update" || operation == "delete", "no request topic");
    if (operation != "update") return;
    const Json state = body->value("state", Json());
    Require(state.is_object() && state.size() == 1, "an update is of one section");
    Require(Depth(state.front()) <= kMaxDepth, "an update deeper than we send");
    Require(publication.payload.size() <= 2 * kMaxDocumentBytes, "an update larger than a document");
  }

  fuzz::Time time_;
  std::unique_ptr<ThingShadows> thing_;
  std::map<std::string, ShadowRow> shadows_;
  std::map<std::string, CommandRow> commands_;
  std::optional<CommandBook::Step> step_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::RunScript<Harness>(data, size);
  return 0;
}
