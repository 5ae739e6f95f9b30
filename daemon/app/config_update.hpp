// One `update_config`: puts it into the overrides file (config/overrides.hpp) in one step, has the configuration loaded
// again, looks whether the thing still answers, and takes everything back if not. What it was before stands beside the
// file until the outcome is known, so that a process that dies in between leaves both. Until then it is on trial, and
// can be withdrawn; what was kept stays. Loop thread; one at a time.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "app/background.hpp"
#include "orders/order.hpp"

namespace penumbra {

// The moments of an update at which a crash must cost nothing; see World::at_moment.
namespace moment {
inline constexpr std::string_view kConfigSwapped = "config-swapped";  // the file is the new one, nobody has read it
inline constexpr std::string_view kConfigLoaded = "config-loaded";    // in force, and nobody knows whether it works
inline constexpr std::string_view kConfigKept = "config-kept";        // it works, what was before is gone
inline constexpr std::string_view kConfigTakenBack = "config-taken-back";  // the old file is back, nobody has read it
}  // namespace moment

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
    Duration patience = kHealthPatience;
    // For tests that kill the process at a named moment; empty in the daemon that is shipped.
    std::function<void(std::string_view)> at_moment = {};
  };

  ConfigUpdate(EventLoop& loop, World world) : loop_(loop), world_(std::move(world)), background_(loop) {}

  bool busy() const { return static_cast<bool>(done_); }
  // `resumed`: a process before this one may have begun with it. Not while busy().
  void Run(const std::string& thing, const Json& config, bool resumed, std::function<void(orders::Outcome)> done);
  // Takes back what is on trial, here or since a process before this one; `done` comes instead of Run's: kCancelled, or
  // kSucceeded when it had been kept already. Not while another thing's is under way.
  void Withdraw(const std::string& thing, const Json& config, std::function<void(orders::Outcome)> done);

 private:
  std::filesystem::path Before() const;
  void Swapped(const Status& status);
  void Look();
  void WithdrawEarlier(const Json& config);
  void Keep();
  void Succeed();
  void TakeBack(const std::string& why);
  void Finish(orders::Outcome outcome);
  void At(std::string_view moment) const {
    if (world_.at_moment) world_.at_moment(moment);
  }

  EventLoop& loop_;
  World world_;
  std::string thing_;
  std::string hash_;  // SHA-256 of what is set for it, as compact JSON with sorted keys
  bool was_healthy_ = false;
  bool withdrawn_ = false;
  bool rests_ = false;  // between two looks
  BootTime look_until_{};
  SubscriptionPtr timer_;
  std::function<void(orders::Outcome)> done_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  Background background_;
};

}  // namespace penumbra
