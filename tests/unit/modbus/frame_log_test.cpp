// The flight recorder's memory, the counters, and what is kept of what was learned.
#include "modbus/frame_log.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "modbus/answers.hpp"
#include "modbus/learned.hpp"
#include "modbus/unit_counters.hpp"

namespace penumbra::modbus {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

TEST(ModbusFrameLog, KeepsTheLastFramesWithinItsBounds) {
  FrameLog log;
  const std::vector<std::uint8_t> frame(250, 0x55);
  for (int i = 0; i < 10000; ++i) log.Add(i, LoggedFrame::Kind::kSent, frame);
  EXPECT_EQ(log.frames().size(), FrameLog::kMaxBytes / 250);
  EXPECT_EQ(log.frames().back().at_ns, 9999);
  for (int i = 0; i < 10000; ++i) log.Note(i, "timeout");
  EXPECT_EQ(log.frames().size(), FrameLog::kMaxFrames);
}

TEST(ModbusFrameLog, ASingleFaultIsNoAnomalyABurstIsOnce) {
  AnomalyWatch watch;
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(watch.OnBadFrame(i * 60 * kSecond)) << "one a minute";
  const std::int64_t now = 10'000 * kSecond;
  int told = 0;
  for (int i = 0; i < 100; ++i) told += watch.OnBadFrame(now + i * kSecond) ? 1 : 0;
  EXPECT_EQ(told, 1);
  EXPECT_TRUE(watch.OnBadFrame(now + 700 * kSecond) || watch.OnBadFrame(now + 701 * kSecond) ||
              watch.OnBadFrame(now + 702 * kSecond) || watch.OnBadFrame(now + 703 * kSecond) ||
              watch.OnBadFrame(now + 704 * kSecond))
      << "ten minutes later it is news again";
}

TEST(ModbusFrameLog, AForeignReplyIsAnAnomalyEveryTenMinutes) {
  AnomalyWatch watch;
  EXPECT_TRUE(watch.OnForeign(kSecond));
  EXPECT_FALSE(watch.OnForeign(2 * kSecond));
  EXPECT_TRUE(watch.OnForeign(602 * kSecond));
}

TEST(ModbusCounters, RoundTripsAreThoseOfTheLastAnswers) {
  RoundTrips trips;
  EXPECT_FALSE(trips.Percentile(0.5).has_value());
  for (int i = 0; i < 1000; ++i) trips.Add(1'000'000);
  for (int i = 1; i <= 128; ++i) trips.Add(i * 1000);
  EXPECT_EQ(trips.Percentile(0), 1000);
  EXPECT_EQ(trips.Percentile(1), 128'000);
  EXPECT_NEAR(static_cast<double>(*trips.Percentile(0.5)), 64'000, 1000);
}

TEST(ModbusCounters, AreToldByUnit) {
  std::map<std::uint8_t, UnitCounters> units;
  units[7].timeouts = 3;
  units[7].exceptions[2] = 5;
  units[9].last_good_ns = 2 * kSecond;
  std::vector<nlohmann::json> said;
  SayCounters({}, units, 5 * kSecond, [&](const std::string& line) { said.push_back(nlohmann::json::parse(line)); });
  ASSERT_EQ(said.size(), 3u);
  EXPECT_EQ(said[1]["unit"], 7);
  EXPECT_EQ(said[1]["exceptions"]["2"], 5);
  EXPECT_TRUE(said[1]["last_answer_ms_ago"].is_null());
  EXPECT_EQ(said[2]["last_answer_ms_ago"], 3000);
}

TEST(ModbusLearned, ComesBackAsItWasKept) {
  const Learned learned{.max_words = 16,
                        .holes = {{Table::kHolding, 3, 9}},
                        .seams = {{Table::kInput, 100}},
                        .refused = {{{Table::kCoil, 65535, 1}, 2}},
                        .checked_s = 1'800'000'000};
  const auto back = LearnedFromJson(ToJson(learned));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(ToJson(*back), ToJson(learned));
}

TEST(ModbusLearned, FitsIntoTheStoreHoweverMuchItIs) {
  Learned learned{.max_words = 16, .checked_s = 1};
  for (std::uint32_t i = 0; i < 1000; ++i) {
    learned.holes.push_back({Table::kHolding, 60000 + i, 60000 + i});
    learned.refused.push_back({{Table::kHolding, static_cast<std::uint16_t>(50000 + i), 1}, 2});
  }
  const std::string text = ToJson(learned);
  EXPECT_LE(text.size(), Learned::kMaxText);
  const auto back = LearnedFromJson(text);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->holes.size(), Learned::kMaxEntries);
}

TEST(ModbusLearned, KeysAreThoseThatAHostTakes) {
  EXPECT_EQ(LearnedKey("sensor-001"), "learned:sensor-001");
  EXPECT_EQ(LearnedKey(std::string(128, 'x')).size(), 8 + 2 + 16u);
  EXPECT_NE(LearnedKey("a b"), LearnedKey("a  b"));
}

TEST(ModbusLearned, TakesNothingThatIsNotItsOwn) {
  for (const char* text : {"", "null", "[]", "{}", R"({"checked_s":"now"})", R"({"checked_s":1,"max_words":0})",
                           R"({"checked_s":1,"max_words":126})", R"({"checked_s":1,"holes":[[3,9,3]]})",
                           R"({"checked_s":1,"holes":[[4,1,3]]})", R"({"checked_s":1,"holes":[[3,1,65536]]})",
                           R"({"checked_s":1,"holes":[[3,1]]})", R"({"checked_s":1,"holes":[[3,-1,3]]})",
                           R"({"checked_s":1,"holes":[[3,18446744073709551615,18446744073709551615]]})",
                           R"({"checked_s":1,"seams":[[3,0]]})", R"({"checked_s":1,"refused":[[3,1,0,2]]})",
                           R"({"checked_s":1,"refused":[[3,1,1,256]]})"}) {
    EXPECT_FALSE(LearnedFromJson(text).has_value()) << text;
  }
}

TEST(ModbusPlanAnswer, SaysRequestsBytesAndTimeOfEachThing) {
  const BusOptions bus{.transport = Transport::kRtu, .baud = 9600};
  ThingOptions thing{.name = "meter"};
  thing.points.push_back({.name = "a", .address = 0});
  thing.points.push_back({.name = "b", .address = 1});
  thing.points.push_back({.name = "far", .address = 500});
  std::vector<ThingReader> things;
  things.emplace_back(thing, CostsOf(bus, thing),
                      ReaderHooks{.log = [](const auto&) {}, .keep = {}, .unix_s = [] { return std::int64_t{1}; }});
  std::vector<nlohmann::json> said;
  SayPlan(bus, things, [&](const std::string& line) { said.push_back(nlohmann::json::parse(line)); });
  ASSERT_EQ(said.size(), 3u);
  EXPECT_EQ(said[0]["count"], 2);
  EXPECT_EQ(said[0]["bytes"], 8 + 9);
  EXPECT_EQ(said[2]["requests"], 2);
  EXPECT_EQ(said[2]["bytes"], 8 + 9 + 8 + 7);
  EXPECT_NEAR(said[2]["time_us"].get<int>(), said[0]["time_us"].get<int>() + said[1]["time_us"].get<int>(), 1);
  // 17 characters of 10 bits at 9600 baud, two gaps of 3.5, and 10 ms for the device to think.
  EXPECT_NEAR(said[0]["time_us"].get<double>(), (17 + 7) * 10 / 9600.0 * 1e6 + 10'000, 10);
}

}  // namespace
}  // namespace penumbra::modbus
