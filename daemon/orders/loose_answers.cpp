#include "orders/loose_answers.hpp"

#include <algorithm>
#include <utility>

namespace penumbra::orders {

std::deque<LooseAnswers::Loose>::iterator LooseAnswers::Find(const std::string& token) {
  if (token.empty()) return waiting_.end();
  return std::find_if(waiting_.begin(), waiting_.end(), [&](const Loose& loose) { return loose.token == token; });
}

bool LooseAnswers::Add(std::string payload) {
  if (waiting_.size() >= kMax) return false;
  waiting_.push_back({.payload = std::move(payload)});
  return true;
}

std::vector<Publication> LooseAnswers::Collect(const std::string& topic, BootTime now,
                                               const std::function<std::string()>& new_token) {
  std::vector<Publication> all;
  for (Loose& loose : waiting_) {
    if (!loose.token.empty() || loose.after > now) continue;
    loose.token = new_token();
    all.push_back({topic, loose.payload, loose.token, Tells::kOutcome});
  }
  return all;
}

bool LooseAnswers::OnPublished(const std::string& token, const Status& status, BootTime retry) {
  const auto found = Find(token);
  if (found == waiting_.end()) return false;
  found->token.clear();
  found->after = retry;
  if (status || status.error().action == Action::kGiveUp) waiting_.erase(found);
  return true;
}

std::optional<BootTime> LooseAnswers::Due() const {
  std::optional<BootTime> due;
  for (const Loose& loose : waiting_) {
    if (loose.token.empty()) due = due ? std::min(*due, loose.after) : loose.after;
  }
  return due;
}

void LooseAnswers::NotSent(const std::string& token) {
  if (const auto found = Find(token); found != waiting_.end()) found->token.clear();
}

void LooseAnswers::OnOffline() {
  for (Loose& loose : waiting_) loose.token.clear();
}

}  // namespace penumbra::orders
