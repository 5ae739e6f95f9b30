// The gateway's reports to AWS IoT Device Defender: when, with which id, what has been sent since the one before, and
// what the cloud answered. Deliberately not here: listening ports and connections, which are the machine's and not ours
// to tell, and CBOR.
// Loop thread. Source: aws-iot-core.md, section 6; proc(5), /proc/net/dev.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "event/loop.hpp"
#include "event/time_trust.hpp"
#include "model/defender.hpp"
#include "model/duty_settings.hpp"
#include "store/store.hpp"
#include "uplink/uplink.hpp"

namespace penumbra {

// Bytes and packets of all interfaces but the loopback, since boot.
struct NetworkTotals {
  std::uint64_t bytes_in = 0, bytes_out = 0, packets_in = 0, packets_out = 0;
  friend bool operator==(const NetworkTotals&, const NetworkTotals&) = default;
};
std::optional<NetworkTotals> ParseNetworkTotals(std::string_view proc_net_dev);

// AWS throttles reports of a device below this interval.
inline constexpr Duration kLeastDefenderInterval = std::chrono::seconds(300);

// A report; `figures` has a number for each of kCustomMetrics. Without network figures where there are none before it
// to subtract.
Json DefenderReport(const Json& figures, std::int64_t report_id, const std::optional<NetworkTotals>& before,
                    const std::optional<NetworkTotals>& now);

class Defender {
 public:
  struct World {
    EventLoop& loop;
    TimeTrust& time_trust;
    Store& store;
    const HealthSettings& settings;  // may change while running
    std::string gateway;
    std::function<std::string()> proc_net_dev;  // the file's text
  };
  // Kept in the store, so that ids grow over restarts and clock steps, and a restart does not report too early.
  static constexpr const char* kReportIdSetting = "defender/report_id";

  explicit Defender(World world) : world_(std::move(world)) {}

  std::vector<std::string> Subscriptions() const;
  // Sends a report if one is due: every [health] interval, never more often than AWS takes, and counted from when the
  // last one had arrived.
  void Tell(ThingLink& link, const Json& figures);
  // A message of the gateway's session; others than answers to reports are left alone.
  void OnMessage(const std::string& topic, const std::string& payload);
  DefenderState state() const;

 private:
  // Of the report that was sent last.
  enum class Answer { kNone, kAccepted, kRejected };
  void Recall();
  void Arrived(std::uint64_t number, const std::optional<NetworkTotals>& sent);
  void Settle(const std::string& answer, std::string reason);

  World world_;
  std::int64_t last_id_ = 0;
  bool recalled_ = false;
  std::optional<BootTime> told_at_;
  std::uint64_t number_ = 0;  // of reports since the start
  bool arrived_ = false;      // the last one's PUBACK
  Answer answer_ = Answer::kNone;
  std::optional<NetworkTotals> counted_, counted_before_;  // what the reports so far have told, and all but the last
  DefenderState state_;
};

}  // namespace penumbra
