// One `update_config`: puts it into the overrides file (config/overrides.hpp) in one step, has the configuration loaded
// again, looks whether the thing still answers, and takes everything back if not. What it was before stands beside the
// file until the outcome is known, so that a process that dies in between leaves both. Loop thread; one at a time.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "app/background.hpp"
#include "orders/order.hpp"

namespace penumbra {

class ConfigUpdate {
 public:
  static constexpr Duration kHealthPatience = std::chrono::seconds(15);  // for the thing to answer again
  static constexpr Duration kHealthRetry = std::chrono::seconds(1);

  // What it needs of the daemon.
  struct World {
    std::filesystem::path file;                                                 // OverridesFile
    std::function<void(std::function<void(Status)>)> reload;                    // done: in force, or why not
    std::function<bool(const std::string& thing)> healthy;                      // it answers now
    std::function<void(const std::string&, std::function<void(Status)>)> look;  // polls it: does it answer?
  };

  ConfigUpdate(EventLoop& loop, World world) : loop_(loop), world_(std::move(world)), background_(loop) {}

  bool busy() const { return static_cast<bool>(done_); }
  // `resumed`: a process before this one may have begun with it. Not while busy().
  void Run(const std::string& thing, const Json& config, bool resumed, std::function<void(orders::Outcome)> done);

 private:
  std::filesystem::path Before() const;
  void Swapped(const Status& status);
  void Look();
  void Keep();
  void TakeBack(const std::string& why);
  void Finish(orders::Outcome outcome);

  EventLoop& loop_;
  World world_;
  std::string thing_;
  bool was_healthy_ = false;
  BootTime look_until_{};
  SubscriptionPtr timer_;
  std::function<void(orders::Outcome)> done_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  Background background_;
};

}  // namespace penumbra
