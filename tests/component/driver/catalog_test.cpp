#include "driver/catalog.hpp"

#include <gmock/gmock.h>

#include "driver_rig.hpp"

namespace penumbra {
namespace {

using test::TestPaths;
using ::testing::HasSubstr;

TEST(Catalog, MissingDriverListsThoseThereAreAndSuggestsTheLikelyOne) {
  const auto result = DescribeDriver(TestPaths(), "simm");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().action, Action::kFixConfig);
  EXPECT_THAT(result.error().message, HasSubstr("did you mean 'sim'"));
  EXPECT_THAT(result.error().message, HasSubstr("test_hostile"));
}

TEST(Catalog, ANameThatLeavesTheDriversFolderIsNoDriver) {
  EXPECT_FALSE(DescribeDriver(TestPaths(), "../drivers/sim"));
  EXPECT_FALSE(DescribeDriver(TestPaths(), ""));
}

TEST(Catalog, AMissingDriverHostIsNamed) {
  PathSettings paths = TestPaths();
  paths.driver_host = "/nowhere/driver-host";
  const auto result = DescribeDriver(paths, "sim");
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, HasSubstr("/nowhere/driver-host"));
}

TEST(Catalog, AnotherAbiAndASharedObjectThatIsNoDriverAreNamed) {
  const auto wrong = DescribeDriver(TestPaths(), "test_wrong_abi");
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message, HasSubstr("ABI version 999"));
  const auto none = DescribeDriver(TestPaths(), "test_no_entry");
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message, HasSubstr("does not export penumbra_driver_entry"));
}

TEST(Catalog, ADriverThatCrashesWhenItIsAskedForItsDescriptionSaysHow) {
  const auto result = DescribeDriver(TestPaths(), "test_entry_crash");
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, HasSubstr("killed by SIGSEGV"));
}

TEST(Catalog, ACheckThatHangsEndsAtItsDeadline) {
  const auto begun = std::chrono::steady_clock::now();
  const auto result = CheckDriverConfiguration(TestPaths(), "test_hostile", {{"deed", "hang_in_check"}});
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, HasSubstr("within 5s"));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(30));
}

TEST(Catalog, ACheckThatCrashesSaysHow) {
  const auto result = CheckDriverConfiguration(TestPaths(), "test_hostile", {{"deed", "crash_in_check"}});
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, HasSubstr("killed by SIGKILL"));
}

TEST(Catalog, ComplaintsComeBackAsTheDriverMadeThem) {
  const auto result = CheckDriverConfiguration(TestPaths(), "test_hostile", Json::object());
  ASSERT_TRUE(result) << result.error().message;
  ASSERT_EQ(result->size(), 1U);
  EXPECT_EQ(result->front().first, "/bus/deed");
  EXPECT_EQ(result->front().second, "a \"quoted\"\nbad deed");
}

TEST(Catalog, ADriverThatPrintsStillDescribesItself) {
  const auto result = DescribeDriver(TestPaths(), "test_hostile");
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->name, "test_hostile");
  EXPECT_FALSE(result->can_write);
}

TEST(Catalog, EveryOptionOfTheSimDriverIsDescribed) {
  const auto result = DescribeDriver(TestPaths(), "sim");
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_TRUE(result->can_write);
  for (const Json* schema : {&result->bus_schema, &result->thing_schema, &result->point_schema}) {
    ASSERT_FALSE(schema->at("properties").empty());
    for (const auto& [key, option] : schema->at("properties").items()) {
      EXPECT_FALSE(GetString(option, "description").value_or("").empty()) << key;
    }
  }
}

TEST(Catalog, TheConfigurationOfABusHasTheUsersKeysAndTheCommonOnes) {
  BusSettings bus = test::MakeBus("b", "sim", {{"seed", 7}});
  bus.timeout = std::chrono::milliseconds(250);
  ThingSettings thing = test::MakeThing("t", "b", {{"unit", 3}}, {"humidity"});
  thing.retries = 2;
  EXPECT_EQ(DriverConfiguration(bus, {thing}), Json::parse(R"({"bus":{"seed":7,"timeout_ms":250,"retries":1},
                            "things":[{"name":"t","unit":3,"retries":2,
                                       "points":[{"name":"humidity","kind":"humidity"}]}]})"));
}

}  // namespace
}  // namespace penumbra
