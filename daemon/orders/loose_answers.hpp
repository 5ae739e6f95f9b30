// Answers to what is not kept: garbage, and commands beyond what may be open. Bounded, in memory only: whoever sends
// such things has no right to a write of ours. Pure; loop thread.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "orders/answers.hpp"

namespace penumbra::orders {

class LooseAnswers {
 public:
  static constexpr std::size_t kMax = 32;

  // False: the oldest had to go for it.
  bool Add(std::string payload);
  // Those that are not on their way, which they are from here on.
  std::vector<Publication> Collect(const std::string& topic, const std::function<std::string()>& new_token);
  // The PUBACK, or why there is none. False: `token` is none of these.
  bool OnPublished(const std::string& token, const Status& status);
  void NotSent(const std::string& token);
  void OnOffline();
  bool empty() const { return waiting_.empty(); }

 private:
  struct Loose {
    std::string payload;
    std::string token;  // "": not on its way
  };
  std::deque<Loose>::iterator Find(const std::string& token);

  std::deque<Loose> waiting_;
};

}  // namespace penumbra::orders
