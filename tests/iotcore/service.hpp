// The seam between the stand-in cloud (iotcore, which owns sockets and the broker) and a service that speaks reserved
// topics: Device Shadow now, Jobs and provisioning later. A service is a pure state machine: messages and time go in,
// messages come out. It never blocks, keeps no clock of its own, and publishes nothing itself.
// One thread (iotcore's loop). Source: AWS IoT reserved topics.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"

namespace penumbra::iotcore {

struct Message {
  std::string topic;
  std::string payload;
  friend bool operator==(const Message&, const Message&) = default;
};

// Time is Unix milliseconds throughout, handed in by the host.
class Service {
 public:
  virtual ~Service() = default;

  // Names the service in control commands and in the summary: "shadow".
  virtual std::string_view Name() const = 0;

  // What the host subscribes for it with QoS 1, once per connection to the broker. Choose filters that do not match
  // what the service itself publishes. None: it hears every message, also its own, and may not answer late.
  virtual std::vector<std::string> Filters() const = 0;

  // A message that matched a filter. Answers what to publish now, in this order, with QoS 1 and never retained.
  // Foreign bytes: `payload` may be anything. A service that answers late keeps the answer and gives it in OnTick.
  virtual std::vector<Message> OnMessage(std::string_view topic, std::string_view payload, std::int64_t now_ms) = 0;

  // When the host shall call OnTick next, or nullopt when nothing is waiting. Asked again after every other call.
  virtual std::optional<std::int64_t> NextDue() const { return std::nullopt; }
  // Answers what has become due. The host may call it early, late, or for nothing.
  virtual std::vector<Message> OnTick(std::int64_t now_ms) {
    (void)now_ms;
    return {};
  }

  struct Reply {
    Json json = Json::object();  // the one line that the caller of the control socket sees
    std::vector<Message> publish;
  };
  // A control command "NAME WORDS...", for example "shadow fail sensor-001 409 3": `words` is without NAME. An unknown
  // command is kGiveUp with a usage line. Documents with spaces arrive as one word: the rest of a line after a word
  // that begins with '{' is not split.
  virtual Result<Reply> OnCommand(const std::vector<std::string>& words, std::int64_t now_ms) {
    (void)words, (void)now_ms;
    return Fail(Action::kGiveUp, "this service knows no commands");
  }

  // Counters and state for `iotcore ctl ... summary`, under the service's name.
  virtual Json Summary() const { return Json::object(); }
};

}  // namespace penumbra::iotcore
