// The kernel calls that a driver host gives up (seccomp, a classic BPF program of our own: a library would cost every
// host private memory for a list that fits a page). Main thread, once; holds for all threads that start later, for
// ever.
//
// Goes by what a driver never needs, not by what it may need: the C library's own calls change from release to release,
// and a driver that is killed by an update is worse than a harmless call too much. Files are Landlock's business
// (confine.hpp). Source: seccomp(2), Documentation/userspace-api/seccomp_filter.rst.
#pragma once

#include <string>

namespace penumbra::host {

// Never possible again: other programs and processes (exec, fork; threads are allowed), signals and limits of others,
// tracing, mounts, modules, clocks, io_uring. Without `network` also every socket; with it AF_UNIX, AF_PACKET and
// AF_VSOCK stay closed: the daemon's own socket is not a driver's business.
// Empty: done. Else why not ("this kernel has no seccomp").
std::string FilterSyscalls(bool network);

}  // namespace penumbra::host
