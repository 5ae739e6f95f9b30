// Tells the machine to reboot, by a command of the configuration, and says why when the command fails. Whether it may,
// and what becomes of the order, is OrderDesk's and orders' business. Loop thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "driver/spawn.hpp"
#include "event/loop.hpp"

namespace penumbra {

class RebootCommand {
 public:
  explicit RebootCommand(EventLoop& loop) : loop_(loop) {}

  // `command`: words separated by spaces, the first one a path; no shell. `failed` is called with the reason when it
  // cannot be started (at once) or does not end with 0; after a 0 the machine is going down, and nothing is called.
  void Start(const std::string& command, std::function<void(std::string)> failed);

 private:
  EventLoop& loop_;
  Child child_;
  UniqueFd said_;  // what it writes; the kernel bounds it
  SubscriptionPtr watch_;
};

// Why the machine does not reboot, in one line: `command` ended as `how` (DescribeExit) after it said `said` (any
// bytes). Plainly when systemctl had nobody to ask: `polkit_installed`.
std::string RebootFailure(const std::string& command, const std::string& how, std::string_view said,
                          bool polkit_installed);

}  // namespace penumbra
