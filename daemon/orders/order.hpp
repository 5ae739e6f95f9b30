// An order: something that the cloud asks a thing to do once (reboot, update_config, read_now, ping, set), whichever
// way it came: a message below commands/<thing>/, an AWS IoT job, or an execution of the Commands feature. What is
// wanted to *be* (desired values) is state and lives in shadow. Pure values; loop thread.
// Source: interfaces.md, "Commands"; aws-iot-core.md, section 5.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.hpp"
#include "event/receipt.hpp"

namespace penumbra::orders {

// Names of what can be ordered.
inline constexpr std::string_view kReboot = "reboot";
inline constexpr std::string_view kUpdateConfig = "update_config";
inline constexpr std::string_view kReadNow = "read_now";
inline constexpr std::string_view kPing = "ping";
inline constexpr std::string_view kSet = "set";

enum class Channel {
  kCommand = 0,    // commands/<thing>/#
  kJob = 1,        // $aws/things/<thing>/jobs/
  kExecution = 2,  // $aws/commands/things/<thing>/executions/
};
std::string_view ToString(Channel channel);

// received -> acting -> done -> answered; a refusal goes straight to done. Each is durable before what it stands for
// happens.
enum class Phase {
  kReceived = 0,  // nothing was done
  kActing = 1,    // about to be done, or done: after a crash nobody knows
  kDone = 2,      // the outcome is known, and the cloud has not confirmed that it knows it too
  kAnswered = 3,  // kept so that the same order is not done twice
};
std::string_view ToString(Phase phase);

// kCancelled: the cloud ended it (cancelled, removed, timed out) and nothing of it holds. In the phase acting: that is
// what is being seen to, by taking back what was begun.
enum class Verdict { kNone = 0, kSucceeded = 1, kFailed = 2, kRejected = 3, kCancelled = 4 };
std::string_view ToString(Verdict verdict);  // "succeeded", as in the answer; "" for kNone

struct OrderRow {
  Channel channel = Channel::kCommand;
  std::string id;           // of the sender; of one without an id a name of our own
  bool anonymous = false;   // it came without an id
  std::int64_t number = 0;  // execution number of a job
  std::int64_t seq = 0;     // order of receipt at this thing
  std::string action;
  Json arguments = Json::object();
  Phase phase = Phase::kReceived;
  Verdict verdict = Verdict::kNone;
  std::string reason;            // why it failed, was rejected, was cancelled; and what the cloud made of it otherwise
  Json result = Json::object();  // flat: what a success brought
  Receipt receipt;
  std::int64_t ttl_ms = 0;  // too old to be done beyond it; 0: never
  std::string acting_boot;  // boot id and time when it began to be done
  std::int64_t acting_ns = 0;
  std::int64_t version = 0;  // of the job's execution, as the cloud last said
  friend bool operator==(const OrderRow&, const OrderRow&) = default;
};

// What became of doing it.
struct Outcome {
  Verdict verdict = Verdict::kSucceeded;
  std::string reason;
  Json result = Json::object();
};

}  // namespace penumbra::orders
