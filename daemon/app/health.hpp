// What the gateway tells of itself: its named shadow `health`, Device Defender's metrics (app/defender.hpp), and to
// each thing's status whether its sensor lives. Looks every kLook; says what changed at once, and figures alone every
// [health] interval. Loop thread. Source: interfaces.md, "Shadows", "Will and presence"; aws-iot-core.md, section 6.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "app/defender.hpp"
#include "driver/bus_manager.hpp"
#include "event/loop.hpp"
#include "event/time_trust.hpp"
#include "model/duty_settings.hpp"
#include "orders/orders.hpp"
#include "shadow/shadows.hpp"
#include "store/store.hpp"
#include "uplink/uplink.hpp"

namespace penumbra {

inline constexpr const char* kHealthShadow = "health";

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

  explicit Health(World world);

  // Once, when the shadows are loaded.
  void Start() { Look(); }
  void BusesGone() { world_.buses = nullptr; }
  DefenderState defender() const { return defender_.state(); }

  std::vector<std::string> Subscriptions(const std::string& thing) override;
  void OnOnline(ThingLink& link) override;
  void OnOffline(ThingLink& link) override;
  void OnMessage(ThingLink& link, const std::string& topic, const std::string& payload) override;

 private:
  void Look();
  HealthFacts Gather() const;
  void TellSensors(const HealthFacts& facts);
  void TellShadow(const HealthFacts& facts);

  World world_;
  ThingLink* link_ = nullptr;  // the gateway's own
  std::map<std::string, SensorState> sensors_;
  Json conditions_;  // as last reported
  std::optional<BootTime> reported_at_;
  Defender defender_;
  SubscriptionPtr timer_;
};

}  // namespace penumbra
