// Does what the cloud orders: reboot, update_config, read_now, ping, set. Who may order what, and with which modules it
// is done; when it is done, and that it is done once, is orders' business. Loop thread.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "app/config_update.hpp"
#include "app/reboot_command.hpp"
#include "driver/bus_manager.hpp"
#include "model/duty_settings.hpp"
#include "orders/orders.hpp"
#include "shadow/shadows.hpp"
#include "store/store.hpp"

namespace penumbra {

class OrderDesk : public orders::Performer {
 public:
  // What it reads is asked for each time, because a reload changes it. All references outlive it, except the buses: see
  // BusesGone.
  struct World {
    EventLoop& loop;
    const Settings& settings;
    const DutySettings& duties;
    Store& store;
    BusManager* buses;
    shadow::Shadows& shadows;
    std::function<void(std::function<void(Status)>)> reload;
    // Of an update_config; see ConfigUpdate::World.
    Duration config_patience = ConfigUpdate::kHealthPatience;
    std::function<void(std::string_view)> at_moment = {};
  };

  explicit OrderDesk(World world);
  ~OrderDesk() override { *alive_ = false; }

  void BusesGone() { world_.buses = nullptr; }

  Status Check(const std::string& thing, const orders::OrderRow& order, Moment now) override;
  void Perform(const std::string& thing, const orders::OrderRow& order, bool resumed,
               std::function<void(orders::Outcome)> done) override;
  void Withdraw(const std::string& thing, const orders::OrderRow& order,
                std::function<void(orders::Outcome)> done) override;

 private:
  using Done = std::function<void(orders::Outcome)>;

  const ThingSettings* FindThing(const std::string& thing) const;
  Status CheckReboot(const std::string& thing, const orders::OrderRow& order, Moment now) const;
  Status CheckSet(const std::string& thing, const orders::OrderRow& order) const;
  void ReadNow(const std::string& thing, Done done);
  void Set(const std::string& thing, const orders::OrderRow& order, bool resumed, Done done);
  void NoteHandedOver(const std::string& thing, const Json& values);
  void WithdrawSet(const std::string& thing, const orders::OrderRow& order, Done done);
  void Reboot(Done done);

  World world_;
  ConfigUpdate update_;
  RebootCommand reboot_;
  // When the wish of the newest `set` for a thing's key arrived among its commands. One entry a writable point.
  std::map<std::pair<std::string, std::string>, std::int64_t> handed_over_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace penumbra
