// When Orders lets the cloud forget what it has sent: not before the order is durable.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "orders/orders.hpp"
#include "support/virtual_loop.hpp"

namespace penumbra::orders {
namespace {

struct HeldStore : OrderStore {
  void Load(std::function<void(Result<StoredOrders>)> done) override { done(StoredOrders{}); }
  void Save(const std::string&, std::vector<OrderRow> save, std::vector<OrderKey>,
            std::function<void(Status)> done) override {
    for (const OrderRow& row : save) saved.push_back(row.id);
    waiting.push_back(std::move(done));
  }
  void Answer(const Status& status) {
    for (auto& done : std::exchange(waiting, {})) done(status);
  }
  std::vector<std::string> saved;
  std::vector<std::function<void(Status)>> waiting;
};

struct Idle : Performer {
  Status Check(const std::string&, const OrderRow&, Moment) override { return {}; }
  void Perform(const std::string&, const OrderRow&, bool, std::function<void(Outcome)>) override {}
  void Withdraw(const std::string&, const OrderRow&, std::function<void(Outcome)>) override {}
};

enum class Fate { kWaits, kAcknowledged, kWithheld };

struct RecordedAck : mqtt::PendingAck {
  explicit RecordedAck(Fate& f) : fate(f) {}
  ~RecordedAck() override {
    if (fate == Fate::kWaits) fate = Fate::kWithheld;
  }
  void Acknowledge() override { fate = Fate::kAcknowledged; }
  Fate& fate;
};

struct Link : ThingLink {
  const std::string& thing() const override { return name; }
  bool online() const override { return true; }
  Duration MayHaveWaited() const override { return Duration::zero(); }
  std::shared_ptr<mqtt::PendingAck> TakeAck() override { return std::exchange(ack, nullptr); }
  void Publish(std::string, std::string, std::function<void(Status)>) override {}
  std::string name = "t1";
  std::shared_ptr<mqtt::PendingAck> ack;
};

struct AcknowledgeTest : testing::Test {
  AcknowledgeTest() {
    orders.Start({"t1"}, [] {});
    orders.OnOnline(link);
    loop.RunReady();
  }
  void Send(const std::string& order, const std::string& payload) {
    link.ack = std::make_shared<RecordedAck>(fates[order] = Fate::kWaits);
    orders.OnMessage(link, "commands/" + link.name + "/do", payload);
    link.ack.reset();
  }
  void SendPing(const std::string& id) { Send(id, R"({"action":"ping","id":")" + id + "\"}"); }

  test::VirtualLoop loop;
  TimeTrust trust{loop.virtual_clock, true, 0};
  HeldStore store;
  Idle performer;
  std::map<std::string, Fate> fates;
  Link link;
  Orders orders{Orders::Options{{}, "s1", 1, {}}, loop, trust, store, performer};
};

TEST_F(AcknowledgeTest, WaitsForTheCommitAndNoLonger) {
  SendPing("a");
  EXPECT_EQ(fates["a"], Fate::kWaits);
  store.Answer({});
  EXPECT_EQ(fates["a"], Fate::kAcknowledged);
}

TEST_F(AcknowledgeTest, IsWithheldWhenTheCommitFailsAndGivenWhenItComesAgainAndIsDurable) {
  SendPing("a");
  store.Answer(Fail(Action::kBackOff, "disk full"));
  EXPECT_EQ(fates["a"], Fate::kWithheld);
  SendPing("a");
  EXPECT_EQ(fates["a"], Fate::kWaits) << "it is known, and still nowhere but here";
  store.Answer({});
  EXPECT_EQ(fates["a"], Fate::kAcknowledged);
}

TEST_F(AcknowledgeTest, OfARepetitionOfWhatIsOnItsWayToTheDiskWaitsForThat) {
  SendPing("a");
  SendPing("a");
  EXPECT_EQ(fates["a"], Fate::kWaits);
  store.Answer({});
  EXPECT_EQ(fates["a"], Fate::kAcknowledged);
}

TEST_F(AcknowledgeTest, IsGivenAtOnceForWhatIsNotWorthAWrite) {
  Send("nonsense", "{");
  EXPECT_EQ(fates["nonsense"], Fate::kAcknowledged);
  EXPECT_TRUE(store.saved.empty());
}

TEST_F(AcknowledgeTest, IsWithheldByAGatewayThatStopsAndForAThingThatIsNotKnown) {
  SendPing("a");
  orders.Stop();
  EXPECT_EQ(fates["a"], Fate::kWithheld);
  SendPing("b");
  EXPECT_EQ(fates["b"], Fate::kWithheld);
  link.name = "t2";
  SendPing("c");
  EXPECT_EQ(fates["c"], Fate::kWithheld);
}

TEST_F(AcknowledgeTest, AsksTheCloudToKeepCommandsAndExecutionsOfThisThing) {
  EXPECT_EQ(orders.CommitFirst("t1"),
            (std::vector<std::string>{"commands/t1/", "$aws/commands/things/t1/executions/"}));
}

}  // namespace
}  // namespace penumbra::orders
