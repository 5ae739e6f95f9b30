// The seam between supervision and real processes: what a bus supervisor needs of a driver host. Tests put a scripted
// host here. Loop thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "event/loop.hpp"
#include "model/settings.hpp"

namespace penumbra {

struct HostSpec {
  std::string bus;
  std::string driver;
  std::string configuration;  // JSON text for open()
};

// How a host ended that had to be killed because it took too long to close its bus.
inline constexpr const char* kHungAtTheEnd = "hung";

// Called on the loop, never inside Launch() or a call to the process. A handler may destroy the process.
struct HostHandlers {
  std::function<void(std::string_view frame)> frame;
  // A frame came that is longer than any of ours.
  std::function<void()> broken;
  // The process closed its end of the socket: most often `ended` follows at once.
  std::function<void()> closed;
  // The process has ended; `how` as DescribeExit(), or kHungAtTheEnd. The last call.
  std::function<void(std::string how)> ended;
  // A line the driver wrote to standard error; `dropped`: lines lost to the rate limit before it.
  std::function<void(std::string line, std::uint64_t dropped)> output;
};

// One host. Its destructor ends it: cancels what it is doing and closes the connection, so that the driver can close
// its device, and kills it 100 ms later (shutdown only; a process that was given up is killed at once).
class HostProcess {
 public:
  virtual ~HostProcess() = default;
  // False: the frame cannot be sent (the host is dead or does not read).
  virtual bool Send(std::string_view frame) = 0;
  // Makes the driver's cancel descriptor readable until the next Send().
  virtual void Cancel() = 0;
  // Ends it as the destructor does, without waiting for it: `ended` follows, no other handler does.
  virtual void Close() = 0;
  // SIGKILL; `ended` follows, unless the kernel cannot end the process.
  virtual void Kill() = 0;
  virtual int pid() const = 0;
};

class HostLauncher {
 public:
  virtual ~HostLauncher() = default;
  virtual Result<std::unique_ptr<HostProcess>> Launch(const HostSpec& spec, HostHandlers handlers) = 0;
};

// Real processes: paths.driver_host with paths.drivers/<driver>.so.
std::unique_ptr<HostLauncher> MakeProcessLauncher(PathSettings paths, EventLoop& loop);

}  // namespace penumbra
