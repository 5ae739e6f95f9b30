// Orders of several things: what one of them has on trial, the others leave alone.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "orders/orders.hpp"
#include "support/virtual_loop.hpp"

namespace penumbra::orders {
namespace {

OrderRow UpdateConfig(Channel channel, const std::string& id, Phase phase) {
  OrderRow row;
  row.channel = channel;
  row.id = id;
  row.number = row.seq = 1;
  row.action = kUpdateConfig;
  row.arguments = {{"sample_interval", 2}};
  row.phase = phase;
  return row;
}

struct FilledStore : OrderStore {
  void Load(std::function<void(Result<StoredOrders>)> done) override { done(stored); }
  void Save(const std::string&, std::vector<OrderRow>, std::vector<OrderKey>,
            std::function<void(Status)> done) override {
    done({});
  }
  StoredOrders stored;
};

struct Doer : Performer {
  Status Check(const std::string&, const OrderRow&, Moment) override { return {}; }
  void Perform(const std::string& thing, const OrderRow&, bool resumed, std::function<void(Outcome)> done) override {
    begun.push_back(thing + (resumed ? " again" : ""));
    dones.push_back(std::move(done));
  }
  void Withdraw(const std::string&, const OrderRow&, std::function<void(Outcome)>) override {}
  std::vector<std::string> begun;
  std::vector<std::function<void(Outcome)>> dones;
};

TEST(OrdersElsewhere, AnUpdateConfigWaitsForOneThatWaitsForTheCloudsWordAfterARestart) {
  test::VirtualLoop loop;
  TimeTrust trust{loop.virtual_clock, true, 0};
  FilledStore store;
  store.stored.things["t1"] = {UpdateConfig(Channel::kCommand, "new", Phase::kReceived)};
  store.stored.things["t2"] = {UpdateConfig(Channel::kJob, "on-trial", Phase::kActing)};
  Doer performer;
  Orders orders{Orders::Options{{}, "s1", 1, {}}, loop, trust, store, performer};
  orders.Start({"t1", "t2"}, [] {});
  loop.Advance(std::chrono::seconds(29));
  EXPECT_TRUE(performer.begun.empty()) << "what t2 has begun would be taken for what was before";
  loop.Advance(std::chrono::seconds(2));
  EXPECT_EQ(performer.begun, (std::vector<std::string>{"t2 again"})) << "there is no link";
  performer.dones[0]({});
  loop.Advance(std::chrono::seconds(7));  // nobody hears the announcement
  EXPECT_EQ(performer.begun, (std::vector<std::string>{"t2 again", "t1"}));
}

}  // namespace
}  // namespace penumbra::orders
