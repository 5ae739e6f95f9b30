#include "cloud/other_messages.hpp"

#include "orders/answers.hpp"
#include "store/gap.hpp"
#include "uplink/presence.hpp"

namespace penumbra::cloud {
namespace {

constexpr std::int64_t kMinuteMs = 60'000;

TrialMessage Presence(const std::string& thing, bool connected, std::int64_t now_ms,
                      const std::optional<SensorState>& sensor = std::nullopt) {
  return {PresenceTopic(thing), PresencePayload(thing, connected, now_ms, sensor), thing, "example"};
}

TrialMessage Answer(const std::string& thing) {
  orders::OrderRow row;
  row.id = "7f3a";
  row.action = orders::kPing;
  row.verdict = orders::Verdict::kSucceeded;
  return {orders::CommandAnswerTopic(thing), orders::CommandAnswer(row, true), thing, "example"};
}

TrialMessage Lost(const std::string& thing, std::int64_t now_ms) {
  Gap gap{.thing = thing, .reason = std::string(kGapNoSpace)};
  gap.Add(4711, now_ms - kMinuteMs);
  gap.Add(4712, now_ms);
  return {GapTopic(thing), GapJson(gap), thing, "example"};
}

}  // namespace

std::vector<TrialMessage> OtherMessages(const Settings& settings, std::int64_t now_ms) {
  std::vector<TrialMessage> messages;
  if (!settings.things.empty()) {
    const std::string& thing = settings.things.front().name;
    messages.push_back(Presence(thing, true, now_ms, SensorState{"ok", "", now_ms}));
    messages.push_back(Presence(thing, true, now_ms, SensorState{"unreachable", "timeout", now_ms - kMinuteMs}));
    messages.push_back(Presence(thing, false, now_ms));
    messages.push_back(Answer(thing));
    messages.push_back(Lost(thing, now_ms));
  }
  if (const std::string& gateway = settings.gateway.thing; !gateway.empty()) {
    messages.push_back(Presence(gateway, true, now_ms));
    messages.push_back(Presence(gateway, false, now_ms));
  }
  return messages;
}

}  // namespace penumbra::cloud
