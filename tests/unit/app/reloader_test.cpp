#include "app/reloader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/virtual_loop.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using Outcome = api::ReloadReport::Outcome;

LoadedConfig With(const std::string& thing) {
  LoadedConfig loaded;
  ThingSettings settings;
  settings.name = thing;
  loaded.settings.things.push_back(settings);
  loaded.fingerprint = "of " + thing;
  return loaded;
}

// The file's content is the name of a thing; "wrong" has an error, "restart" another state directory. The reader's
// thread is real, the time is not.
class ReloaderTest : public testing::Test {
 protected:
  ReloaderTest() {
    Reloader::Hooks hooks;
    hooks.apply = [this](LoadedConfig wanted, const std::function<void()>& applied) {
      in_force = std::move(wanted);
      applications.push_back(in_force.settings.things[0].name);
      if (hold) {
        held = applied;
      } else {
        applied();
      }
    };
    hooks.begun = [this] { ++begun; };
    hooks.ended = [this] { ++ended; };
    hooks.look = [this] { return ailments; };
    reloader.emplace(
        loop, in_force, "own", [this](const std::filesystem::path& file) { return Load(file); }, hooks);
    reloader->Begin();
  }
  LoadedConfig Load(const std::filesystem::path& file) {
    EXPECT_EQ(file, "own");
    const std::string content = own;
    if (content == "wrong") {
      LoadedConfig loaded;
      loaded.fingerprint = "of wrong";
      loaded.diagnostics.push_back({"own", 3, 1, false, "unknown key \"nonsens\""});
      return loaded;
    }
    LoadedConfig loaded = With(content);
    if (content == "restart") loaded.settings.paths.state = "/elsewhere";
    return loaded;
  }
  Reloader::Done Note() {
    return [this](const Result<api::ReloadReport>& report) {
      outcomes.push_back(report ? std::string(ToString(report->outcome)) : report.error().message);
      if (report) last = *report;
    };
  }
  // What the reader's thread posts is awaited in real time, a hang ends the test.
  void Settle(std::size_t answers) {
    const auto end = std::chrono::steady_clock::now() + 60s;
    while (outcomes.size() < answers && std::chrono::steady_clock::now() < end) {
      loop.RunReady();
      std::this_thread::yield();
    }
    ASSERT_EQ(outcomes.size(), answers);
  }
  void SettleApplications(std::size_t count) {
    const auto end = std::chrono::steady_clock::now() + 60s;
    while (applications.size() < count && std::chrono::steady_clock::now() < end) {
      loop.RunReady();
      std::this_thread::yield();
    }
    ASSERT_EQ(applications.size(), count);
  }

  test::VirtualLoop loop;
  LoadedConfig in_force = With("first");
  std::string own = "first";
  bool hold = false;
  std::function<void()> held;
  std::vector<std::string> applications, outcomes;
  int begun = 0, ended = 0;
  Reloader::Ailments ailments;
  api::ReloadReport last;
  std::optional<Reloader> reloader;
};

TEST_F(ReloaderTest, RefusesAWrongFileAsAWholeAndSaysWhere) {
  own = "wrong";
  reloader->Request(false, Note());
  Settle(1);
  EXPECT_THAT(outcomes, ElementsAre("wrong"));
  EXPECT_THAT(last.reason, HasSubstr("own:3:1"));
  EXPECT_TRUE(applications.empty());
  EXPECT_EQ(begun, 1);
  EXPECT_EQ(ended, 1);
}

TEST_F(ReloaderTest, RefusesWhatNeedsARestartAsAWhole) {
  own = "restart";
  reloader->Request(false, Note());
  Settle(1);
  EXPECT_THAT(outcomes, ElementsAre("needs_restart"));
  EXPECT_THAT(last.reason, HasSubstr("[paths]: state"));
  EXPECT_TRUE(applications.empty());
}

TEST_F(ReloaderTest, ADryRunShowsTheDifferenceAndDoesNothing) {
  own = "second";
  reloader->Request(true, Note());
  Settle(1);
  EXPECT_THAT(outcomes, ElementsAre("would_apply"));
  EXPECT_EQ(last.diff.changes.size(), 2U);
  EXPECT_TRUE(applications.empty());
  EXPECT_EQ(begun, 0);
}

TEST_F(ReloaderTest, ComparesWithWhatIsInForceAndNotWithWhatWasRefused) {
  for (const char* content : {"second", "wrong", "second", "first"}) {
    own = content;
    reloader->Request(false, Note());
    Settle(outcomes.size() + 1);
  }
  EXPECT_THAT(outcomes, ElementsAre("applied", "wrong", "unchanged", "applied"));
}

TEST_F(ReloaderTest, AStormOfSignalsIsOneReadingAndOneMore) {
  own = "second";
  for (int i = 0; i < 50; ++i) reloader->OnSignal();
  reloader->Request(true, Note());
  Settle(1);
  EXPECT_EQ(begun, 2);
  EXPECT_EQ(ended, 2);
  EXPECT_THAT(outcomes, ElementsAre("unchanged"));
}

TEST_F(ReloaderTest, TheNextOneWaitsUntilTheLastIsApplied) {
  own = "second";
  hold = true;
  reloader->Request(false, Note());
  SettleApplications(1);
  own = "third";
  reloader->Request(false, Note());
  loop.Advance(10s);
  EXPECT_THAT(applications, ElementsAre("second"));
  hold = false;
  held();
  Settle(2);
  EXPECT_THAT(applications, ElementsAre("second", "third"));
}

TEST_F(ReloaderTest, WhatWaitsIsBounded) {
  hold = true;
  own = "second";
  for (std::size_t i = 0; i < Reloader::kMaxWaiting + 2; ++i) reloader->Request(false, Note());
  EXPECT_THAT(outcomes, ElementsAre(HasSubstr("too many")));
  reloader->Stop();
}

TEST_F(ReloaderTest, AnswersEverybodyWhenTheDaemonStops) {
  reloader->Request(false, Note());
  reloader->Request(false, Note());
  reloader->Stop();
  reloader->Request(false, Note());
  EXPECT_THAT(outcomes, ElementsAre(HasSubstr("stopping"), HasSubstr("stopping"), HasSubstr("stopping")));
  own = "second";
  loop.Advance(1s);
  EXPECT_TRUE(applications.empty());
}

TEST_F(ReloaderTest, WhatComesBeforeTheDaemonIsUpIsDoneThen) {
  reloader.reset();
  Reloader::Hooks hooks;
  hooks.apply = [this](LoadedConfig wanted, const std::function<void()>& applied) {
    applications.push_back(wanted.settings.things[0].name);
    applied();
  };
  hooks.begun = hooks.ended = [] {};
  reloader.emplace(
      loop, in_force, "own", [](const std::filesystem::path&) { return With("second"); }, hooks);
  reloader->OnSignal();
  loop.Advance(1s);
  EXPECT_TRUE(applications.empty());
  reloader->Begin();
  SettleApplications(1);
}

TEST_F(ReloaderTest, ACandidateThatDoesNoHarmStays) {
  ailments = {{"thing old", "unreachable"}};
  own = "second";
  reloader->Try(60s, Note());
  SettleApplications(1);
  ailments["session second"] = "connecting";
  loop.Advance(20s);
  EXPECT_TRUE(outcomes.empty());
  ailments.erase("session second");
  loop.Advance(2s);
  EXPECT_THAT(outcomes, ElementsAre("applied"));
  EXPECT_EQ(in_force.settings.things[0].name, "second");
}

TEST_F(ReloaderTest, ACandidateThatDoesHarmIsTakenBack) {
  own = "second";
  reloader->Try(60s, Note());
  SettleApplications(1);
  ailments["bus hall-a"] = "backoff: no such device";
  loop.Advance(62s);
  EXPECT_THAT(outcomes, ElementsAre("rolled_back"));
  EXPECT_THAT(last.reason, HasSubstr("bus hall-a: backoff"));
  EXPECT_THAT(applications, ElementsAre("second", "first"));
  EXPECT_EQ(in_force.settings.things[0].name, "first");
  EXPECT_EQ(begun, ended);
}

TEST_F(ReloaderTest, ACandidateThatIsWrongChangesNothing) {
  own = "wrong";
  reloader->Try(60s, Note());
  Settle(1);
  EXPECT_THAT(outcomes, ElementsAre("wrong"));
  EXPECT_TRUE(applications.empty());
}

TEST_F(ReloaderTest, NothingElseIsServedDuringATrial) {
  own = "second";
  reloader->Try(60s, Note());
  SettleApplications(1);
  ailments["bus hall-a"] = "backoff";
  reloader->Request(false, Note());
  loop.Advance(30s);
  EXPECT_TRUE(outcomes.empty());
  loop.Advance(40s);
  Settle(2);
  EXPECT_THAT(outcomes, ElementsAre("rolled_back", "applied")) << "the file still says what did harm";
}

}  // namespace
}  // namespace penumbra
