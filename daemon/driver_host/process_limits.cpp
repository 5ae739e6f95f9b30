#include "driver_host/process_limits.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>

#include "base/unique_fd.hpp"

namespace penumbra::host {
namespace {

// A driver needs a device, a few sockets and its libraries.
constexpr rlim_t kMaxDescriptors = 256;
// Address space, not memory in use: libraries and stacks are reserved generously, so this only stops a leak.
constexpr rlim_t kMaxAddressSpace = 1024ULL * 1024 * 1024;

// Memory that can be written to: a leak ends here and not in the memory of the whole gateway.
constexpr rlim_t kMaxData = 256ULL * 1024 * 1024;
// A driver has nothing to write but what it needs to; a full disk is everybody's trouble.
constexpr rlim_t kMaxFile = 1024ULL * 1024;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;  // shadow memory reserves terabytes of address space
#else
constexpr bool kSanitized = false;
#endif

volatile int g_cancel_fd = -1;  // read by the signal handler

void OnTerminate(int) {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(g_cancel_fd, &one, sizeof one);
}

void Limit(__rlimit_resource resource, rlim_t max) {
  const rlimit limit{max, max};
  ::setrlimit(resource, &limit);
}

// Where memory runs out, in the unit or in the machine, the kernel ends a driver's process before the daemon, which
// keeps the readings: 500 counts like half of the memory allowed. Where it cannot be said, the biggest process goes, as
// ever.
void GoFirstWhenMemoryIsShort() {
  const UniqueFd fd(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  [[maybe_unused]] const ssize_t written = ::write(fd.get(), "500", 3);
}

}  // namespace

bool LimitProcess(pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  GoFirstWhenMemoryIsShort();
  Limit(RLIMIT_CORE, 0);
  Limit(RLIMIT_NOFILE, kMaxDescriptors);
  Limit(RLIMIT_FSIZE, kMaxFile);
  Limit(RLIMIT_MSGQUEUE, 0);
  if (!kSanitized) Limit(RLIMIT_AS, kMaxAddressSpace);
  if (!kSanitized) Limit(RLIMIT_DATA, kMaxData);
  // Errors of the calls themselves say more.
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);
  // The parent may have died before prctl took effect.
  return parent == 0 || ::getppid() == parent;
}

void UseCancelFd(int event_fd) {
  g_cancel_fd = event_fd;
  struct sigaction action {};
  action.sa_handler = OnTerminate;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGTERM, &action, nullptr);
}

int CancelFd() {
  return g_cancel_fd;
}

}  // namespace penumbra::host
