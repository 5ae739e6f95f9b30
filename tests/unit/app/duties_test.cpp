// What the daemon does for the cloud beside readings: update_config with its way back, and what health is made of.
#include <gmock/gmock.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "app/config_update.hpp"
#include "app/health.hpp"
#include "base/text.hpp"
#include "support/virtual_loop.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;
using orders::Outcome;
using orders::Verdict;
using testing::HasSubstr;

struct ConfigUpdateTest : testing::Test {
  ConfigUpdateTest() {
    std::string name = (std::filesystem::temp_directory_path() / "penumbra-update-XXXXXX").string();
    folder = ::mkdtemp(name.data()) != nullptr ? name : std::string();
    file = folder / "overrides.json";
    Make();
  }
  ~ConfigUpdateTest() override {
    update.reset();
    std::filesystem::remove_all(folder);
  }
  void Make() {
    update = std::make_unique<ConfigUpdate>(
        loop, ConfigUpdate::World{file,
                                  [this](std::function<void(Status)> done) {
                                    reloads.push_back(Text());
                                    done(reload_status);
                                  },
                                  [this](const std::string&) { return was_healthy; },
                                  [this](const std::string&, std::function<void(Status)> done) {
                                    ++looks;
                                    done(looks >= answers_at_look ? Status{} : Fail(Action::kRetry, "timeout"));
                                  }});
  }
  std::string Text() const {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void Run(const Json& config, bool resumed = false) {
    outcome.reset();
    update->Run("t1", config, resumed, [this](Outcome result) { outcome = std::move(result); });
    // The files are written by a real thread, everything else happens in virtual time.
    for (int i = 0; i < 12'000 && !outcome; ++i) {
      loop.RunUntil([this] { return outcome.has_value(); }, std::chrono::milliseconds(5));
      if (!outcome) loop.Advance(500ms);
    }
    ASSERT_TRUE(outcome);
  }

  test::VirtualLoop loop;
  std::filesystem::path folder, file;
  std::vector<std::string> reloads;  // the file at each
  Status reload_status;
  bool was_healthy = true;
  int looks = 0;
  int answers_at_look = 1;
  std::unique_ptr<ConfigUpdate> update;
  std::optional<Outcome> outcome;
};

TEST_F(ConfigUpdateTest, KeepsWhatWorks) {
  answers_at_look = 3;
  Run({{"sample_interval", 5}});
  EXPECT_EQ(outcome->verdict, Verdict::kSucceeded);
  EXPECT_EQ(Json::parse(Text()), Json::parse(R"({"t1":{"sample_interval":5}})"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1) << "nothing is left beside it";
  EXPECT_EQ(looks, 3);
}

TEST_F(ConfigUpdateTest, TakesBackWhatIsRefusedOrMakesTheThingSilent) {
  Run({{"sample_interval", 5}});
  const std::string before = Text();
  reload_status = Fail(Action::kGiveUp, "only a restart can apply this");
  Run({{"sample_interval", 6}});
  EXPECT_EQ(outcome->verdict, Verdict::kFailed);
  EXPECT_THAT(outcome->reason, HasSubstr("only a restart"));
  EXPECT_EQ(Json::parse(Text()), Json::parse(before));
  reload_status = {};
  answers_at_look = 1'000'000;
  Run({{"sample_interval", 7}});
  EXPECT_EQ(outcome->verdict, Verdict::kFailed);
  EXPECT_THAT(outcome->reason, HasSubstr("does not answer with it: timeout"));
  EXPECT_EQ(Json::parse(Text()), Json::parse(before));
  EXPECT_EQ(Json::parse(reloads.back()), Json::parse(before)) << "and is in force again";
}

TEST_F(ConfigUpdateTest, DoesNotBlameItForAThingThatWasSilentBefore) {
  was_healthy = false;
  answers_at_look = 1'000'000;
  Run({{"sample_interval", 5}});
  EXPECT_EQ(outcome->verdict, Verdict::kSucceeded);
}

TEST_F(ConfigUpdateTest, GoesOnAfterAKillWhereverItWas) {
  // Before the swap: nothing but the copy of what was before. After it: both.
  for (const bool swapped : {false, true}) {
    std::ofstream(folder / "overrides.json.before") << R"({"t1":{"sample_interval":30}})";
    std::ofstream(file) << (swapped ? R"({"t1":{"sample_interval":5}})" : R"({"t1":{"sample_interval":30}})");
    looks = 0;
    answers_at_look = 1;
    Run({{"sample_interval", 5}}, true);
    EXPECT_EQ(outcome->verdict, Verdict::kSucceeded);
    EXPECT_EQ(Json::parse(Text())["t1"]["sample_interval"], 5);
    std::ofstream(folder / "overrides.json.before") << R"({"t1":{"sample_interval":30}})";
    looks = 0;
    answers_at_look = 1'000'000;
    Run({{"sample_interval", 5}}, true);
    EXPECT_EQ(outcome->verdict, Verdict::kFailed);
    EXPECT_EQ(Json::parse(Text())["t1"]["sample_interval"], 30) << "back to what was before the kill";
  }
}

// What the kill took was only the outcome: it had been kept, so there is nothing left to go back to.
TEST_F(ConfigUpdateTest, DoesNotTryAgainWhatWasKeptBeforeAKill) {
  std::ofstream(file) << R"({"t1":{"sample_interval":5}})";
  answers_at_look = 1'000'000;
  Run({{"sample_interval", 5}}, true);
  EXPECT_EQ(outcome->verdict, Verdict::kSucceeded);
  EXPECT_EQ(Json::parse(Text())["t1"]["sample_interval"], 5);
  EXPECT_TRUE(reloads.empty()) << "it is in force since the start";
  EXPECT_FALSE(std::filesystem::exists(folder / "overrides.json.before"));
}

HealthFacts Facts() {
  HealthFacts facts;
  facts.now_ms = 1'763'841'600'000;
  facts.clock_trusted = true;
  facts.buses = {{.bus = "hall-a", .state = "running", .load = 0.2504}};
  facts.things["t1"].state = "ok";
  facts.backlog = 7;
  facts.oldest_unsent_ms = facts.now_ms - 90'000;
  return facts;
}

TEST(HealthShadow, SaysOkOrWhatIsWrong) {
  EXPECT_EQ(HealthConditions(Facts())["status"], "ok");
  HealthFacts facts = Facts();
  facts.buses.push_back({.bus = "hall-b", .state = "backoff", .reason = "no such device"});
  facts.things["t2"].state = "unreachable";
  const Json conditions = HealthConditions(facts);
  EXPECT_EQ(conditions["status"], "degraded");
  EXPECT_EQ(conditions["bus_trouble"]["hall-b"], "backoff: no such device");
  EXPECT_EQ(conditions["silent"], Json::parse(R"({"t2":"unreachable"})"));
  const Json figures = HealthFigures(facts);
  EXPECT_EQ(figures["backlog"], 7);
  EXPECT_EQ(figures["oldest_unsent_s"], 90);
  EXPECT_EQ(figures["bus_load"], 0.25);
}

TEST(HealthShadow, FitsIntoAShadowHoweverMuchIsWrong) {
  HealthFacts facts = Facts();
  for (int i = 0; i < 2000; ++i) {
    facts.buses.push_back({.bus = "bus-" + std::to_string(i), .state = "backoff", .reason = std::string(500, 'x')});
    facts.things["thing-" + std::to_string(i)].state = "stale";
  }
  EXPECT_LT(HealthConditions(facts).dump().size(), 6000U);
}

TEST(HealthShadow, CutsALongReasonBetweenCharacters) {
  for (const char* first : {"", "x"}) {
    HealthFacts facts = Facts();
    std::string reason = first;
    for (int i = 0; i < 200; ++i) reason += "\u00e9";
    facts.buses.push_back({.bus = "hall-b", .state = "backoff", .reason = reason});
    EXPECT_TRUE(IsUtf8(HealthConditions(facts)["bus_trouble"]["hall-b"].get<std::string>()));
  }
}

}  // namespace
}  // namespace penumbra
