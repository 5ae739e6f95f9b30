#include "uplink/topic_suspension.hpp"

#include <algorithm>

namespace penumbra {

bool TopicSuspension::Allows(const std::string& topic, BootTime now) const {
  const auto found = suspended_.find(topic);
  return found == suspended_.end() || (now >= found->second.due && !found->second.under_way);
}

Duration TopicSuspension::UntilProbe(const std::string& topic, BootTime now) const {
  const auto found = suspended_.find(topic);
  if (found == suspended_.end()) return Duration::zero();
  return std::max(Duration::zero(), found->second.due - now);
}

void TopicSuspension::Sent(const std::string& topic, BootTime now) {
  last_sent_[topic] = now;
  if (const auto found = suspended_.find(topic); found != suspended_.end()) found->second.under_way = true;
}

bool TopicSuspension::Doubted(const std::string& topic) const {
  const auto found = strikes_.find(topic);
  return found != strikes_.end() && found->second + 1 >= kStrikes;
}

void TopicSuspension::Stable(const std::set<std::string>& untried) {
  std::erase_if(strikes_, [&untried](const auto& strike) { return untried.count(strike.first) == 0; });
}

bool TopicSuspension::Acked(const std::string& topic) {
  proven_.insert(topic);
  strikes_.erase(topic);
  return suspended_.erase(topic) == 1;
}

void TopicSuspension::Suspend(const std::string& topic, BootTime now) {
  strikes_.erase(topic);
  Probe& probe = suspended_[topic];
  probe.due = now + probe.pause;
  probe.pause = std::min(probe.pause * 2, kMaxProbe);
  probe.under_way = false;
}

bool TopicSuspension::Refused(const std::string& topic, BootTime now) {
  const auto found = suspended_.find(topic);
  // Messages that were in flight beside the first refused one are refused too: that is no failed probe.
  if (found != suspended_.end() && !found->second.under_way) return false;
  const bool known = found != suspended_.end();
  Suspend(topic, now);
  return !known;
}

// True: once too often.
bool TopicSuspension::Strike(const std::string& topic, BootTime now) {
  if (++strikes_[topic] < kStrikes) return false;
  Suspend(topic, now);
  return true;
}

bool TopicSuspension::Swallowed(const std::string& topic, BootTime now) {
  if (proven_.count(topic) == 1) return false;
  const auto probe = suspended_.find(topic);
  if (probe == suspended_.end()) return Strike(topic, now);
  if (probe->second.under_way) Suspend(topic, now);
  return false;
}

std::vector<std::string> TopicSuspension::SessionEnded(bool may_be_refusal, const std::set<std::string>& unacked,
                                                       BootTime now) {
  std::vector<std::string> suspended;
  for (const std::string& topic : unacked) {
    const auto probe = suspended_.find(topic);
    const bool probing = probe != suspended_.end();
    const bool suspicious = may_be_refusal && proven_.count(topic) == 0 && now - last_sent_[topic] <= kSuspicious;
    if (probing && probe->second.under_way) {
      // A session that ended for another reason says nothing about the topic: the probe is due as before.
      suspicious ? Suspend(topic, now) : void(probe->second.under_way = false);
    } else if (suspicious && !probing && Strike(topic, now)) {
      suspended.push_back(topic);
    }
  }
  last_sent_.clear();
  proven_.clear();
  return suspended;
}

std::vector<std::string> TopicSuspension::Topics() const {
  std::vector<std::string> topics;
  for (const auto& [topic, unused] : suspended_) topics.push_back(topic);
  return topics;
}

}  // namespace penumbra
