// The length of time used everywhere. A moment is a BootTime (event/clock.hpp) or Unix milliseconds, never a Duration.
#pragma once

#include <chrono>

namespace penumbra {

using Duration = std::chrono::nanoseconds;

}  // namespace penumbra
