// What a driver host keeps of the system once its driver has said what its bus needs (penumbra_driver.needs): those
// files and no others (Landlock), the network or none, no other process (syscall_filter.hpp). Main thread, once, before
// open().
//
// Meant against faults, not against an attacker: the driver's own code has run before (when it was loaded). Source:
// landlock(7), Documentation/userspace-api/landlock.rst.
#pragma once

#include <penumbra/driver.h>

#include <cstdint>
#include <string>
#include <vector>

namespace penumbra::host {

// Which node a path leads to. The time of its last change belongs to it: pseudo terminals (socat, ser2net) come back
// under the same inode number.
struct DeviceNode {
  std::uint64_t inode = 0;  // 0: it is not there
  std::int64_t changed_ns = 0;
  bool operator==(const DeviceNode&) const = default;
};

// A device node as it was when access was granted. Access is bound to the node, not to its name.
struct GrantedDevice {
  std::string path;
  DeviceNode node;
};

struct Confinement {
  std::string shortcomings;  // what is open beyond the need, and why; empty: nothing
  std::vector<GrantedDevice> devices;
};

// Asks `driver` what it needs for `configuration` and gives up the rest. A driver without needs() keeps files and
// network.
Confinement Confine(const penumbra_driver& driver, const std::string& configuration);

// The path of a device that was replaced (unplugged and plugged in again) or has come since: to reach it, a new host is
// needed. Empty: none.
std::string ReplacedDevice(const std::vector<GrantedDevice>& devices);

}  // namespace penumbra::host
