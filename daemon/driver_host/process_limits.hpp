// What a driver host gives up before it loads foreign code. Main thread, once, at the start.
#pragma once

#include <sys/types.h>

namespace penumbra::host {

// Dies with its parent (the daemon's loop thread), gains no privileges, writes no core, and has bounded descriptors
// and memory. False: the parent is gone already.
bool LimitProcess(pid_t parent);

// An eventfd that SIGTERM makes readable: what drivers get as cancel_fd. -1 if the kernel has none left.
int CancelFd();

}  // namespace penumbra::host
