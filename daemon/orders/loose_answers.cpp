#include "orders/loose_answers.hpp"

#include <algorithm>
#include <utility>

namespace penumbra::orders {

std::deque<LooseAnswers::Loose>::iterator LooseAnswers::Find(const std::string& token) {
  if (token.empty()) return waiting_.end();
  return std::find_if(waiting_.begin(), waiting_.end(), [&](const Loose& loose) { return loose.token == token; });
}

bool LooseAnswers::Add(std::string payload) {
  const bool room = waiting_.size() < kMax;
  if (!room) waiting_.pop_front();
  waiting_.push_back({std::move(payload), {}});
  return room;
}

std::vector<Publication> LooseAnswers::Collect(const std::string& topic,
                                               const std::function<std::string()>& new_token) {
  std::vector<Publication> all;
  for (Loose& loose : waiting_) {
    if (!loose.token.empty()) continue;
    loose.token = new_token();
    all.push_back({topic, loose.payload, loose.token, Tells::kOutcome});
  }
  return all;
}

bool LooseAnswers::OnPublished(const std::string& token, const Status& status) {
  const auto found = Find(token);
  if (found == waiting_.end()) return false;
  found->token.clear();
  if (status || status.error().action == Action::kGiveUp) waiting_.erase(found);
  return true;
}

void LooseAnswers::NotSent(const std::string& token) {
  if (const auto found = Find(token); found != waiting_.end()) found->token.clear();
}

void LooseAnswers::OnOffline() {
  for (Loose& loose : waiting_) loose.token.clear();
}

}  // namespace penumbra::orders
