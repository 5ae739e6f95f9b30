#include "orders/job_question.hpp"

#include <utility>

namespace penumbra::orders {

void JobQuestion::OnOnline() {
  wanted_ = true;
  after_ = {};
}

void JobQuestion::OnOffline() {
  token_.clear();
}

void JobQuestion::Asked(std::string token, BootTime now) {
  token_ = std::move(token);
  deadline_ = now + answer_timeout_;
}

void JobQuestion::Answered() {
  token_.clear();
  backoff_.Reset();
  wanted_ = false;
}

void JobQuestion::Failed(BootTime now, Random& random) {
  token_.clear();
  after_ = now + backoff_.Next(random);
}

std::optional<BootTime> JobQuestion::Due(bool may_ask) const {
  if (!token_.empty()) return deadline_;
  if (may_ask && wanted_ && after_ > BootTime{}) return after_;
  return std::nullopt;
}

}  // namespace penumbra::orders
