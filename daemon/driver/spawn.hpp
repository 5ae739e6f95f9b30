// Starts a child process with exactly the descriptors it is given. Loop thread or command line; returns at once.
//
// posix_spawn and not fork: the daemon has threads, and glibc's posix_spawn neither copies page tables nor runs code of
// ours between fork and exec. Sources: posix_spawn(3), pidfd_open(2).
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace penumbra {

struct Child {
  pid_t pid = 0;
  UniqueFd pidfd;  // readable when the child has ended
};

// Runs `argv` (argv[0] is the path) in a session of its own, with default signal handling and an empty mask.
// `descriptors`: pairs of ours and what it is in the child; all others are closed, 0, 1 and 2 are /dev/null unless
// listed. Error kFixConfig when the program is not there or cannot run, kBackOff when the system is out of something.
Result<Child> Spawn(const std::vector<std::string>& argv, const std::vector<std::pair<int, int>>& descriptors);

// SIGKILL for the child and for what it may have forked. Harmless when it has ended, wrong after Reap() said so.
void KillChild(const Child& child);

// Takes the end of a child without waiting: false when it still runs. `wait_status` as of waitpid(2).
bool Reap(const Child& child, int& wait_status);

// "killed by SIGSEGV", "exited 3".
std::string DescribeExit(int wait_status);

// A memory file that holds `text`, positioned at its beginning.
Result<UniqueFd> MemoryFile(const char* name, std::string_view text);

}  // namespace penumbra
