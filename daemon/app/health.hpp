// What the gateway tells of itself: its named shadow `health`, Device Defender's metrics, and to each thing's status
// whether its sensor lives. Looks every kLook; says what changed at once, and figures alone every [health] interval.
// Loop thread. Source: interfaces.md, "Shadows", "Will and presence"; aws-iot-core.md, section 6.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "driver/bus_manager.hpp"
#include "event/loop.hpp"
#include "event/time_trust.hpp"
#include "model/duty_settings.hpp"
#include "orders/orders.hpp"
#include "shadow/shadows.hpp"
#include "store/store.hpp"
#include "uplink/uplink.hpp"

namespace penumbra {

// Names of the gateway's health shadow and of Device Defender's topics.
inline constexpr const char* kHealthShadow = "health";
std::string DefenderTopic(const std::string& thing);

// One look at everything that health is made of.
struct HealthFacts {
  std::int64_t now_ms = 0;
  bool clock_trusted = false;
  std::vector<BusStatus> buses;
  std::map<std::string, ThingStatus> things;
  std::size_t online = 0, links = 0;
  std::uint64_t backlog = 0;
  std::size_t set_aside = 0;  // LinkStatus::set_aside of all links
  std::int64_t oldest_unsent_ms = 0;
  StoreStats store;
  orders::BookCounters order_counts;
};

// What has to be said as soon as it changes, and what is only a figure; together the shadow's `reported`.
Json HealthConditions(const HealthFacts& facts);
Json HealthFigures(const HealthFacts& facts);

// Bytes and packets of all interfaces but the loopback, since boot. proc(5), /proc/net/dev.
struct NetworkTotals {
  std::uint64_t bytes_in = 0, bytes_out = 0, packets_in = 0, packets_out = 0;
};
std::optional<NetworkTotals> ParseNetworkTotals(std::string_view proc_net_dev);
// AWS throttles Device Defender's reports below this interval.
inline constexpr Duration kLeastDefenderInterval = std::chrono::seconds(300);
// Whether the next report is due: every `interval` ([health] interval), and never more often than AWS takes.
bool DefenderDue(std::optional<BootTime> last, BootTime now, Duration interval);
// A report for Device Defender; without network figures where there are none before it to subtract.
Json DefenderReport(const HealthFacts& facts, const std::optional<NetworkTotals>& before,
                    const std::optional<NetworkTotals>& now);

class Health : public LinkClient {
 public:
  static constexpr Duration kLook = std::chrono::seconds(5);

  struct World {
    EventLoop& loop;
    TimeTrust& time_trust;
    const Settings& settings;
    const DutySettings& duties;
    Store& store;
    BusManager* buses;
    shadow::Shadows& shadows;
    const orders::Orders& all_orders;
    Uplink& uplink;
    std::string gateway;  // fixed for the life of the process
  };

  explicit Health(World world) : world_(std::move(world)) {}

  // Once, when the shadows are loaded.
  void Start() { Look(); }
  void BusesGone() { world_.buses = nullptr; }

  std::vector<std::string> Subscriptions(const std::string& thing) override;
  void OnOnline(ThingLink& link) override;
  void OnOffline(ThingLink& link) override;
  void OnMessage(ThingLink& link, const std::string& topic, const std::string& payload) override;

 private:
  void Look();
  HealthFacts Gather() const;
  void TellSensors(const HealthFacts& facts);
  void TellShadow(const HealthFacts& facts);
  void TellDefender(const HealthFacts& facts);

  World world_;
  ThingLink* link_ = nullptr;  // the gateway's own
  std::map<std::string, SensorState> sensors_;
  Json conditions_;  // as last reported
  std::optional<BootTime> reported_at_;
  std::optional<BootTime> defended_at_;
  std::optional<NetworkTotals> network_;  // of the last report that arrived
  SubscriptionPtr timer_;
};

}  // namespace penumbra
