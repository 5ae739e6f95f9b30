// Asking again when the machine, not the answerer, was slow. Pure.
#pragma once

#include <chrono>

namespace penumbra {

// While a machine boots from a slow card, starting a driver for the first time can take longer than its deadline; the
// next time everything is in memory. Refusing the configuration for that would leave the gateway off until somebody
// comes.
inline constexpr int kTries = 4;
// An error that took this long was a deadline; one that came at once is an answer.
inline constexpr std::chrono::seconds kSlow{4};

// The first answer that is no error, or the error that came at once, or the last one. `ask` answers a Result; `now` a
// time_point.
template <typename Ask, typename Now>
auto WithPatience(Ask ask, Now now) {
  for (int left = kTries;; --left) {
    const auto begin = now();
    auto answer = ask();
    if (answer || left <= 1 || now() - begin < kSlow) return answer;
  }
}

}  // namespace penumbra
