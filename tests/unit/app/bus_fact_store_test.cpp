#include "app/bus_fact_store.hpp"

#include <gmock/gmock.h>

#include "support/fake_store.hpp"
#include "support/virtual_loop.hpp"

namespace penumbra::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(BusFactStore, BrokenSettingsAreNoFacts) {
  VirtualLoop loop;
  FakeStore store(loop);
  store.PutSetting("bus/a/facts", R"(["gone",5)", {});
  EXPECT_THAT(FactsIn(store).load("a"), IsEmpty());
  store.PutSetting("bus/a/facts", R"(["gone",5,"here"])", {});
  store.PutSetting("bus/a/fact/here", "1", {});
  EXPECT_THAT(FactsIn(store).load("a"), ElementsAre(Pair("here", "1")));
}

TEST(BusFactStore, WhatIsSavedIsLoadedForItsBusOnly) {
  VirtualLoop loop;
  FakeStore store(loop);
  const FactKeeper keeper = FactsIn(store);
  keeper.save("a", "x", "1");
  keeper.save("a", "y", "2");
  keeper.save("b", "x", "3");
  keeper.save("a", "x", "4");
  EXPECT_THAT(keeper.load("a"), ElementsAre(Pair("x", "4"), Pair("y", "2")));
  EXPECT_THAT(keeper.load("b"), ElementsAre(Pair("x", "3")));
  EXPECT_EQ(store.Setting("bus/a/facts"), R"(["x","y"])");
}

TEST(BusFactStore, WhatIsForgottenLeavesNothingBehind) {
  VirtualLoop loop;
  FakeStore store(loop);
  const FactKeeper keeper = FactsIn(store);
  keeper.save("a", "x", "1");
  keeper.save("a", "x", std::nullopt);
  keeper.save("a", "never", std::nullopt);
  EXPECT_THAT(keeper.load("a"), IsEmpty());
  EXPECT_EQ(store.Setting("bus/a/facts"), "[]");
  EXPECT_EQ(store.Setting("bus/a/fact/x"), std::nullopt);
}

}  // namespace
}  // namespace penumbra::test
