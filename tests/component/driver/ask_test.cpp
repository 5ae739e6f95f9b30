// Questions to a driver and what it remembers, with real hosts; and a driver that is older than both.
#include <gmock/gmock.h>

#include "driver/ask_offline.hpp"
#include "driver/catalog.hpp"
#include "driver_rig.hpp"

namespace penumbra::test {
namespace {

using ::testing::HasSubstr;

class Ask : public DriverRig {
 protected:
  // The answer as JSON text, or "action: message".
  std::string Question(const std::string& name, Duration timeout = 30s, const std::string& bus = "b") {
    std::optional<std::string> text;
    manager_->Ask(bus, {{"ask", name}}, timeout, [&text](Result<OrderedJson> answer) {
      text = answer ? answer->dump() : std::string(ToString(answer.error().action)) + ": " + answer.error().message;
    });
    EXPECT_TRUE(RunUntil([&text] { return text.has_value(); }));
    return text.value_or("nothing");
  }
  void StartAnswering() {
    Start({MakeBus("b", "test_answering"), MakeBus("good")}, {MakeThing("t", "b"), MakeThing("healthy", "good")});
  }
};

TEST_F(Ask, ACrashWhileAnsweringIsNamedAndTheBusComesBack) {
  StartAnswering();
  EXPECT_THAT(Question("crash"), HasSubstr("killed by SIGSEGV while it answered a question"));
  ASSERT_TRUE(RunUntil([this] { return Bus("b").state == "running"; }));
  EXPECT_THAT(Question("plan"), HasSubstr("holding"));
}

TEST_F(Ask, ADriverThatIgnoresItsDeadlineIsCancelledAndLives) {
  StartAnswering();
  EXPECT_THAT(Question("wait", 200ms), HasSubstr("cancelled"));
  // The cancel was for that question only.
  EXPECT_THAT(Question("plan"), HasSubstr("holding"));
  EXPECT_EQ(Bus("b").restarts, 0U);
}

TEST_F(Ask, AnswersComeInTheDriversOrder) {
  StartAnswering();
  EXPECT_EQ(Question("plan"),
            R"([{"unit":1,"table":"input","from":0,"to":3},{"unit":2,"table":"holding","from":7,"to":7}])");
}

TEST_F(Ask, WhatIsNoAnswerIsRefusedAndTheBusGoesOn) {
  StartAnswering();
  EXPECT_THAT(Question("no_json"), HasSubstr("with what is no JSON object"));
  EXPECT_THAT(Question("large"), HasSubstr("longer than 64 KiB"));
  EXPECT_THAT(Question("nonsense"), HasSubstr("what is that?"));
  EXPECT_THAT(Question("scan"), HasSubstr("does not answer \"scan\" (it answers plan)"));
  EXPECT_THAT(Question("plan", 30s, "good"), HasSubstr("the driver sim of bus good does not answer"));
  EXPECT_THAT(Question("plan", 30s, "no"), HasSubstr("no bus no"));
  EXPECT_EQ(Bus("b").restarts, 0U);
}

TEST_F(Ask, WhatADriverRemembersIsThereAtTheNextOpen) {
  std::map<std::string, std::string> kept{{"opens", "41"}};
  facts_.load = [&kept](const std::string&) { return kept; };
  facts_.save = [&kept](const std::string& bus, const std::string& key, std::optional<std::string> json) {
    EXPECT_EQ(bus, "b");
    kept[key] = json.value_or("forgotten");
  };
  StartAnswering();
  ASSERT_TRUE(RunUntil([this] { return GoodReadings("t") > 0; }));
  EXPECT_EQ(readings_["t"].front().values[0].value, Value(std::int64_t{41}));
  EXPECT_EQ(kept["opens"], "42");
  Question("crash");
  ASSERT_TRUE(RunUntil([&kept] { return kept["opens"] == "43"; }));
}

TEST_F(Ask, FactsThatAreNotAllowedAreRefusedAndAFloodEndsTheHost) {
  std::map<std::string, std::string> kept;
  facts_.save = [&kept](const std::string&, const std::string& key, const std::optional<std::string>&) {
    kept[key] = "";
  };
  StartAnswering();
  // The key and the empty value are refused by the host, what is no JSON by the daemon.
  EXPECT_THAT(Question("bad_facts"), HasSubstr("1 0 1"));
  EXPECT_EQ(kept.count("no_json"), 0U);
  EXPECT_THAT(Question("flood_facts"), HasSubstr("flooded the daemon with facts"));
  EXPECT_TRUE(RunUntil([this] { return GoodReadings("healthy") > 0; }));
  EXPECT_EQ(Bus("good").restarts, 0U);
}

TEST_F(Ask, AnOldDriverReadsAndAnswersNothing) {
  Start({MakeBus("b", "test_old_abi")}, {MakeThing("t", "b")});
  ASSERT_TRUE(RunUntil([this] { return GoodReadings("t") >= 3; })) << Word("b");
  EXPECT_THAT(Question("plan"), HasSubstr("it answers no questions"));
  EXPECT_EQ(Bus("b").restarts, 0U);
  const auto description = DescribeDriver(TestPaths(), "test_old_abi");
  ASSERT_TRUE(description) << description.error().message;
  EXPECT_EQ(description->name, "test_old_abi");
}

TEST(AskOfflineTest, NeedsNoDaemon) {
  Settings settings;
  settings.paths = TestPaths();
  settings.buses = {MakeBus("b", "test_answering"), MakeBus("broken", "sim", {{"open_fault", "no_device"}})};
  const auto answer = AskOffline(settings, "b", {{"ask", "plan"}}, 30s);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->size(), 2U);
  const auto broken = AskOffline(settings, "broken", {{"ask", "plan"}}, 30s);
  ASSERT_FALSE(broken);
  EXPECT_THAT(broken.error().message, HasSubstr("no such device"));
  EXPECT_FALSE(AskOffline(settings, "nowhere", {{"ask", "plan"}}, 30s));
}

}  // namespace
}  // namespace penumbra::test
