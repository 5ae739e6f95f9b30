// What the gateway does for the cloud beside readings and shadows: orders, and what it tells of its own health.
// Apart from settings.hpp, because few modules need it.
#pragma once

#include <chrono>
#include <string>

#include "base/duration.hpp"

namespace penumbra {

enum class MayReboot { kNobody, kGateway, kAll };

// Table [orders].
struct OrderSettings {
  MayReboot reboot = MayReboot::kGateway;                    // whose order may reboot the machine
  std::string reboot_command = "/usr/bin/systemctl reboot";  // words, separated by spaces; no shell
  Duration reboot_pause = std::chrono::minutes(5);  // after a boot, in which a command without an id reboots nothing
  Duration ttl = std::chrono::minutes(10);          // of commands that bring none
  friend bool operator==(const OrderSettings&, const OrderSettings&) = default;
};

// Table [health].
struct HealthSettings {
  Duration interval = std::chrono::minutes(5);  // of the shadow `health` and of Device Defender's metrics
  bool defender = false;                        // Device Defender's metrics are sent
  friend bool operator==(const HealthSettings&, const HealthSettings&) = default;
};

struct DutySettings {
  OrderSettings orders;
  HealthSettings health;
  friend bool operator==(const DutySettings&, const DutySettings&) = default;
};

}  // namespace penumbra
