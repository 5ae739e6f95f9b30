#include "api/explain.hpp"

#include <gmock/gmock.h>

#include "unit/api/fake_view.hpp"

namespace penumbra::api {
namespace {

using test::FakeView;
using test::kNowMs;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// One point's story, from a gateway where all is well until the test spoils something.
class ExplainPoint : public testing::Test {
 protected:
  Explanation Tell() {
    ExplainInput in{.thing = view.config.things[0], .point = view.config.things[0].points[0]};
    in.upstream = view.config.upstream;
    in.info = view.info;
    if (!view.buses.empty()) in.bus = view.buses[0];
    in.status = view.Thing("sensor-001");
    in.link = view.link();
    in.outbox = view.outbox["sensor-001"];
    in.store = view.stats;
    in.newest = view.rows[0];
    in.delivery = view.delivery;
    return Explain(in);
  }
  PointStatus& point() { return view.thing().points["temperature"]; }

  FakeView view;
};

TEST_F(ExplainPoint, IsNotSilentWhenAllIsWell) {
  const Explanation told = Tell();
  EXPECT_EQ(told.obstacle, Obstacle::kNone);
  EXPECT_THAT(told.verdict, StartsWith("sensor-001.temperature is not silent: 22.5 Cel of "));
  EXPECT_THAT(told.verdict, HasSubstr("acknowledged by the cloud"));
}

TEST_F(ExplainPoint, CallsAReadingSentOnceItsAckHasComeAlthoughTheFileDoesNotHaveItYet) {
  const auto told_sent = [this] {
    for (const auto& stage : Tell().story) {
      if (stage.stage == "store") return stage.text.find(", sent;") != std::string::npos;
    }
    return false;
  };
  view.rows[0].sent = false;
  OutboxState& outbox = view.outbox["sensor-001"];
  const std::uint64_t seq = view.rows[0].reading.seq;
  outbox = {.newest_seq = seq};
  EXPECT_TRUE(told_sent());
  outbox = {.unsent = 1, .oldest_unsent_seq = seq + 1, .newest_seq = seq + 1};
  EXPECT_TRUE(told_sent());
  outbox = {.unsent = 1, .oldest_unsent_seq = seq, .newest_seq = seq};
  EXPECT_FALSE(told_sent());
  outbox = {.newest_seq = seq - 1};
  EXPECT_FALSE(told_sent()) << "the outbox does not know of it yet";
}

TEST_F(ExplainPoint, BlamesABusThatDoesNotRunBeforeAnythingElse) {
  view.buses[0].state = "quarantined";
  view.buses[0].reason = "its driver crashed 5 times";
  view.thing().state = "unreachable";
  view.link().link = "waiting";
  const Explanation told = Tell();
  EXPECT_EQ(told.obstacle, Obstacle::kBus);
  EXPECT_THAT(told.verdict, HasSubstr("bus hall-a is quarantined: its driver crashed 5 times"));
}

TEST_F(ExplainPoint, SaysSinceWhenTheUnitIsSilentAndWhatItDidInstead) {
  view.buses[0].units = {{.unit = "2", .last_answer_ms = kNowMs},
                         {.unit = "3",
                          .requests = 50,
                          .answers = 9,
                          .timeouts = 40,
                          .bad_crc = 1,
                          .exceptions = {{"2", 6}},
                          .last_answer_ms = kNowMs - 180'000}};
  view.thing().state = "unreachable";
  point().trouble = "timeout";
  Explanation told = Tell();
  EXPECT_THAT(told.verdict, HasSubstr("silent since "));
  EXPECT_THAT(told.verdict, HasSubstr("3 min ago"));
  ASSERT_EQ(told.story[1].stage, "unit");
  EXPECT_THAT(told.story[1].text,
              HasSubstr("9 of 50 requests answered, 40 timed out, 1 wrong checksums, exception 2 6 times"));
  point().trouble = "exception 2 (illegal data address)";
  EXPECT_THAT(Tell().verdict, Not(HasSubstr("silent since"))) << "it answers, if only to refuse";
  point().trouble = "timeout";
  view.buses[0].units[1].last_answer_ms = 0;
  EXPECT_THAT(Tell().verdict, HasSubstr("it has not answered since the daemon started"));
  view.buses[0].units.clear();
  EXPECT_EQ(Tell().story[1].stage, "thing");
}

TEST_F(ExplainPoint, BlamesAThingThatIsNotPolled) {
  view.things.clear();
  EXPECT_EQ(Tell().obstacle, Obstacle::kBus);
}

TEST_F(ExplainPoint, SaysThatTheFirstPollIsStillToCome) {
  view.thing().state = "waiting";
  view.thing().points.clear();
  const Explanation told = Tell();
  EXPECT_EQ(told.obstacle, Obstacle::kWaiting);
  EXPECT_THAT(told.verdict, HasSubstr("polled every 30s"));
}

TEST_F(ExplainPoint, NamesTheUnitThatDoesNotAnswer) {
  view.thing().state = "unreachable";
  view.thing().breaker = "open";
  view.thing().failed_polls = 12;
  point().trouble = "timeout";
  point().value_ms = 0;
  const Explanation told = Tell();
  EXPECT_EQ(told.obstacle, Obstacle::kDevice);
  EXPECT_THAT(told.verdict,
              StartsWith("sensor-001.temperature is silent: unit 3 on bus hall-a does not answer (timeout"));
  EXPECT_THAT(told.verdict, HasSubstr("12 of 100 polls failed"));
  EXPECT_THAT(told.verdict, HasSubstr("breaker open"));
  EXPECT_THAT(told.verdict, HasSubstr("no value since the daemon started"));
}

TEST_F(ExplainPoint, TellsABadPointFromADeadDevice) {
  point().trouble = "exception 2 (illegal data address)";
  const Explanation told = Tell();
  EXPECT_EQ(told.obstacle, Obstacle::kPoint);
  EXPECT_THAT(told.verdict, HasSubstr("unit 3 on bus hall-a answers, but not this point (exception 2"));
}

TEST_F(ExplainPoint, SaysThatPollsDoNotFinish) {
  view.thing().state = "stale";
  EXPECT_EQ(Tell().obstacle, Obstacle::kDevice);
}

TEST_F(ExplainPoint, SaysThatAMeasuredValueIsNotStored) {
  view.stats.trouble = "disk full";
  const Explanation told = Tell();
  EXPECT_EQ(told.obstacle, Obstacle::kStore);
  EXPECT_THAT(told.verdict, HasSubstr("but not stored: disk full"));
}

TEST_F(ExplainPoint, SaysThatTheLinkIsDownAndWhenItIsTriedAgain) {
  view.link() = {
      .thing = "sensor-001", .link = "waiting", .last_error = "connection refused", .next_attempt_ms = kNowMs + 40'000};
  view.outbox["sensor-001"].unsent = 7;
  const Explanation told = Tell();
  EXPECT_EQ(told.obstacle, Obstacle::kLink);
  EXPECT_THAT(told.verdict, HasSubstr("its link is waiting: connection refused; next attempt in 40 s; 7 unsent"));
}

TEST_F(ExplainPoint, SaysThatTheCloudRefusesTheTopic) {
  view.link().suspended_topics = {"sensors/sensor-001/t"};
  EXPECT_EQ(Tell().obstacle, Obstacle::kRefused);
  view.link().suspended_topics = {"another/topic"};
  EXPECT_EQ(Tell().obstacle, Obstacle::kNone);
}

TEST_F(ExplainPoint, SaysThatReadingsWaitForTheClock) {
  view.info.clock_trusted = false;
  view.outbox["sensor-001"].unsent = 3;
  EXPECT_EQ(Tell().obstacle, Obstacle::kClock);
}

TEST_F(ExplainPoint, IsNotSilentWithoutAnUpstream) {
  view.config.upstream.endpoint.clear();
  const Explanation told = Tell();
  EXPECT_EQ(told.obstacle, Obstacle::kNone);
  EXPECT_THAT(told.verdict, HasSubstr("no upstream is configured"));
}

TEST_F(ExplainPoint, TellsEveryStageInOrderOnOneLineEach) {
  const OrderedJson json = Render(Tell());
  std::string stages;
  for (const auto& line : json["story"]) {
    stages += line["stage"].get<std::string>() + " ";
    EXPECT_EQ(line["text"].get<std::string>().find('\n'), std::string::npos);
  }
  EXPECT_EQ(stages, "bus thing point report store cloud link ");
  EXPECT_EQ(json["silent"], false);
  EXPECT_EQ(json["obstacle"], "none");
}

}  // namespace
}  // namespace penumbra::api
