// Tells the cloud of gaps in a thing's readings (store/gap.hpp): a gap record goes out when the thing's session is up,
// and is forgotten at its PUBACK. Deliberately not in the outbox: a record is no reading, and there is at most one for
// each thing and reason. Loop thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "event/loop.hpp"
#include "store/gap.hpp"
#include "store/store.hpp"
#include "uplink/uplink.hpp"

namespace penumbra {

class GapReporter : public LinkClient {
 public:
  static constexpr Duration kLook = std::chrono::seconds(30);  // between looks for new gaps while anyone is online

  // Both outlive the reporter.
  GapReporter(EventLoop& loop, Store& store) : loop_(loop), store_(store) {}

  std::vector<std::string> Subscriptions(const std::string&) override { return {}; }
  void OnOnline(ThingLink& link) override;
  void OnOffline(ThingLink& link) override;
  void OnMessage(ThingLink&, const std::string&, const std::string&) override {}

 private:
  void LookLater();
  void Send(ThingLink& link);
  void Sent(const Gap& gap, const Status& outcome);

  EventLoop& loop_;
  Store& store_;
  std::map<std::string, ThingLink*> online_;
  // By thing and reason: sent and not answered, or answered and not yet forgotten by the store, or refused.
  std::map<std::pair<std::string, std::string>, Gap> sent_;
  SubscriptionPtr timer_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace penumbra
