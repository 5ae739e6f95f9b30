// Answers to what is not kept: garbage, and commands beyond what may be open. Bounded, in memory only: whoever sends
// such things has no right to a write of ours. Pure; loop thread.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "event/clock.hpp"
#include "orders/answers.hpp"

namespace penumbra::orders {

class LooseAnswers {
 public:
  static constexpr std::size_t kMax = 32;

  // False: there is no room for it. Those before it may be on their way, and hold places in the session's queue.
  bool Add(std::string payload);
  // Those that are not on their way and may be tried now; they are on their way from here on.
  std::vector<Publication> Collect(const std::string& topic, BootTime now,
                                   const std::function<std::string()>& new_token);
  // The PUBACK, or why there is none. False: `token` is none of these. What the session did not take is not tried again
  // before `retry`: its answer comes within the call, and trying again at once would go round until the stack ends.
  bool OnPublished(const std::string& token, const Status& status, BootTime retry);
  // When to collect again.
  std::optional<BootTime> Due() const;
  void NotSent(const std::string& token);
  void OnOffline();
  bool empty() const { return waiting_.empty(); }

 private:
  struct Loose {
    std::string payload;
    std::string token{};  // "": not on its way
    BootTime after{};     // not before
  };
  std::deque<Loose>::iterator Find(const std::string& token);

  std::deque<Loose> waiting_;
};

}  // namespace penumbra::orders
