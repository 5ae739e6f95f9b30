#include "driver/spawn.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

extern "C" char** environ;

namespace penumbra {
namespace {

// Descriptors are first moved above this, so that placing one in the child never overwrites another.
constexpr int kSafeDescriptor = 20;

int OpenPidfd(pid_t pid) {
  return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));  // close-on-exec by itself
}

// posix_spawn's two structures, freed whatever happens.
struct SpawnPlan {
  SpawnPlan() {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
  }
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  void PlanSignalsAndSession() {
    sigset_t all;
    sigset_t none;
    ::sigfillset(&all);
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    // A session of its own: Ctrl-C on the daemon's terminal is for the daemon.
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
  }

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

Error SpawnError(const std::string& program, int error_number) {
  const bool config =
      error_number == ENOENT || error_number == EACCES || error_number == ENOEXEC || error_number == ENOTDIR;
  return {config ? Action::kFixConfig : Action::kBackOff, ErrnoMessage("cannot start " + program, error_number)};
}

}  // namespace

Result<Child> Spawn(const std::vector<std::string>& argv, const std::vector<std::pair<int, int>>& descriptors) {
  SpawnPlan plan;
  plan.PlanSignalsAndSession();
  std::vector<UniqueFd> moved;
  for (int fd = 0; fd <= 2; ++fd) ::posix_spawn_file_actions_addopen(&plan.actions, fd, "/dev/null", O_RDWR, 0);
  int highest = 2;
  for (const auto& [ours, theirs] : descriptors) {
    moved.emplace_back(::fcntl(ours, F_DUPFD_CLOEXEC, kSafeDescriptor));
    if (!moved.back()) return Fail(SpawnError(argv[0], errno));
    ::posix_spawn_file_actions_adddup2(&plan.actions, moved.back().get(), theirs);
    highest = std::max(highest, theirs);
  }
  ::posix_spawn_file_actions_addclosefrom_np(&plan.actions, highest + 1);
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  Child child;
  const int error =
      ::posix_spawn(&child.pid, argv[0].c_str(), &plan.actions, &plan.attributes, arguments.data(), environ);
  if (error != 0) return Fail(SpawnError(argv[0], error));
  child.pidfd.Reset(OpenPidfd(child.pid));
  if (child.pidfd) return child;
  const int pidfd_error = errno;
  ::kill(child.pid, SIGKILL);
  ::waitpid(child.pid, nullptr, 0);
  return Fail(Action::kBackOff, ErrnoMessage("cannot watch " + argv[0], pidfd_error));
}

void KillChild(const Child& child) {
  ::kill(-child.pid, SIGKILL);  // its session, where its own children are
  ::kill(child.pid, SIGKILL);
}

bool Reap(const Child& child, int& wait_status) {
  const pid_t reaped = ::waitpid(child.pid, &wait_status, WNOHANG);
  // ECHILD: somebody else took it (SIGCHLD ignored by whoever embeds us); it is gone all the same.
  if (reaped < 0 && errno == ECHILD) wait_status = 0;
  return reaped == child.pid || (reaped < 0 && errno == ECHILD);
}

std::string DescribeExit(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    const char* name = ::sigabbrev_np(WTERMSIG(wait_status));
    return std::string("killed by SIG") + (name != nullptr ? name : std::to_string(WTERMSIG(wait_status)));
  }
  return "exited " + std::to_string(WEXITSTATUS(wait_status));
}

Result<UniqueFd> MemoryFile(const char* name, std::string_view text) {
  UniqueFd fd(::memfd_create(name, MFD_CLOEXEC));
  if (!fd) return Fail(Action::kBackOff, ErrnoMessage("memfd_create", errno));
  while (!text.empty()) {
    const ssize_t n = ::write(fd.get(), text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Fail(Action::kBackOff, ErrnoMessage("cannot write a memory file", errno));
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  ::lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

}  // namespace penumbra
