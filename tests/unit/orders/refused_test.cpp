// What the log hears of orders that are not begun.
#include <gmock/gmock.h>

#include "unit/orders/world.hpp"

namespace penumbra::orders::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(RefusedOrders, AreToldOnceEach) {
  World world;
  world.CommandText("{\"action\":");
  world.Command({{"action", "explode"}, {"id", "a"}});
  world.Command({{"action", "explode"}, {"id", "a"}});  // again: it was told
  world.Command({{"action", "ping"}, {"id", "a"}});
  world.check = [](const OrderRow&) { return Fail(Action::kGiveUp, "switched off"); };
  world.Command({{"action", "reboot"}, {"id", "r"}});
  world.StartExecution("e", {{"action", "nothing"}});
  world.Restart();
  EXPECT_THAT(world.refused, ElementsAre(HasSubstr("not JSON"), HasSubstr("explode"), HasSubstr("its id was used"),
                                         "switched off", HasSubstr("nothing")));
}

TEST(RefusedOrders, AreNotThoseThatWereDoneAndThenRejected) {
  World world;
  world.perform = [](const OrderRow&, bool) { return Outcome{Verdict::kRejected, "no", Json::object()}; };
  world.Command({{"action", "read_now"}, {"id", "a"}});
  EXPECT_THAT(world.AckStatuses(), ElementsAre("rejected"));
  EXPECT_THAT(world.refused, ::testing::IsEmpty());
}

}  // namespace
}  // namespace penumbra::orders::test
