#include "mqtt/pending_ack.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"

namespace penumbra::mqtt {
namespace {

class Ticket : public PendingAck {
 public:
  explicit Ticket(std::shared_ptr<AckPatience::Decision> decision) : decision_(std::move(decision)) {}
  ~Ticket() override { decision_->Decide(false); }
  void Acknowledge() override { decision_->Decide(true); }

 private:
  const std::shared_ptr<AckPatience::Decision> decision_;
};

}  // namespace

void AckPatience::Decision::Decide(bool acknowledge) {
  const std::lock_guard lock(mutex_);
  if (acknowledge_) return;
  acknowledge_ = acknowledge;
  decided_.notify_all();
}

std::shared_ptr<PendingAck> AckPatience::TicketFor(std::shared_ptr<Decision> decision) {
  return std::make_shared<Ticket>(std::move(decision));
}

bool AckPatience::Await(Decision& decision) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point until =
      Clock::now() < distrusts_until_.load() ? Clock::time_point::min() : Clock::now() + kPatience;
  std::unique_lock lock(decision.mutex_);
  const auto decided = [&decision] { return decision.acknowledge_.has_value(); };
  if (decided() || (until != Clock::time_point::min() && decision.decided_.wait_until(lock, until, decided))) {
    return *decision.acknowledge_;
  }
  decision.acknowledge_ = false;
  if (until != Clock::time_point::min()) {
    distrusts_until_ = Clock::now() + kDistrust;
    log::Warning("mqtt.commit_slow", "a received order was not stored in time; it is not acknowledged and comes again");
  }
  return false;
}

bool BeginsWithOneOf(const std::string& topic, const std::vector<std::string>& beginnings) {
  return std::any_of(beginnings.begin(), beginnings.end(), [&topic](const std::string& beginning) {
    return topic.compare(0, beginning.size(), beginning) == 0;
  });
}

}  // namespace penumbra::mqtt
