#include "cli/bus_verbs.hpp"

#include <gmock/gmock.h>

#include "base/ordered_json.hpp"

namespace penumbra::cli {
namespace {

using testing::HasSubstr;

TEST(BusArguments, WithoutAKeyAreRefused) {
  for (const char* wrong : {"from", "=1", ""}) {
    const auto arguments = ParseArguments({wrong});
    ASSERT_FALSE(arguments) << wrong;
    EXPECT_THAT(arguments.error().message, HasSubstr("is not KEY=VALUE")) << wrong;
  }
}

TEST(BusArguments, AreJsonWhereTheyCanBe) {
  EXPECT_EQ(*ParseArguments({"from=1", "name=x=y", "deep=true", "list=[1,2]", "empty="}),
            Json({{"from", 1}, {"name", "x=y"}, {"deep", true}, {"list", {1, 2}}, {"empty", ""}}));
}

TEST(ObjectsTable, HasAColumnForEachKeyInTheOrderOfAppearance) {
  const auto objects = ParseOrderedJson(R"([{"unit":1,"table":"input"},{"unit":20,"first_seen":null,"points":["a"]}])");
  EXPECT_EQ(ObjectsView(*objects, {}),
            "UNIT  TABLE  FIRST SEEN  POINTS\n"
            "   1  input           -  -\n"
            "  20  -               -  [\"a\"]\n");
}

TEST(ObjectsTable, MakesForeignTextHarmless) {
  const OrderedJson objects = OrderedJson::array({{{"a\x1b[2J", "b\nc"}}, 7});
  const std::string view = ObjectsView(objects, {});
  EXPECT_EQ(view.find('\x1b'), std::string::npos);
  EXPECT_THAT(view, HasSubstr("b?c"));
  EXPECT_EQ(ObjectsView(OrderedJson::array(), {}), "");
}

TEST(CommandLineBus, WantsAQuestionAndABus) {
  EXPECT_FALSE(ParseCommandLine({"bus", "plan"}));
  EXPECT_FALSE(ParseCommandLine({"bus", "plan", "b", "--timeout", "11m"}));
  EXPECT_FALSE(ParseCommandLine({"buses", "--timeout", "1s"}));
  const auto parsed = ParseCommandLine({"bus", "scan", "b", "from=1", "--timeout", "90s"});
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->timeout, std::chrono::seconds(90));
  EXPECT_EQ(Bus(*ParseCommandLine({"bus", "guess", "b"})), 2);
}

}  // namespace
}  // namespace penumbra::cli
