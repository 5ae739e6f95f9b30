// What a driver host gives up before it loads foreign code. Main thread, once, at the start.
#pragma once

#include <sys/types.h>

namespace penumbra::host {

// Dies with its parent (the daemon's loop thread), gains no privileges, writes no core, and has bounded descriptors,
// memory and files. False: the parent is gone already.
bool LimitProcess(pid_t parent);

// What drivers get as cancel_fd: `event_fd`, which the daemon writes to and SIGTERM makes readable too. Once.
void UseCancelFd(int event_fd);
int CancelFd();

}  // namespace penumbra::host
