// Writes that go to a driver together, the end of the program, and the recording of a bus in trouble, with scripted
// hosts.
#include <gmock/gmock.h>

#include <unistd.h>

#include <filesystem>

#include "driver/bus_manager_impl.hpp"
#include "fake_host.hpp"

namespace penumbra::test {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

class BusTogetherTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder = std::filesystem::path(::testing::TempDir()) / ("recorder-" + std::to_string(::getpid()));
    std::filesystem::remove_all(folder);
  }
  void TearDown() override {
    manager.reset();
    std::filesystem::remove_all(folder);
  }
  // One bus "b" with things t0, t1, ... of two points, each its own unit, polled every `interval`.
  void Start(std::size_t things, Duration interval, std::uint64_t capabilities) {
    auto owner = std::make_unique<FakeLauncher>(loop);
    owner->on_start = [capabilities](FakeHost& host) {
      host.capabilities = capabilities;
      host.OpenOk();
    };
    owner->on_read = on_read;
    owner->on_write = on_write;
    owner->on_ask = on_ask;
    launcher = owner.get();
    manager = std::make_unique<BusManagerImpl>(
        std::move(owner), loop, trust, [this](const Reading&) { ++readings; }, 1, FactKeeper{}, folder);
    BusSettings bus;
    bus.name = "b";
    bus.driver = "fake";
    std::vector<ThingSettings> list(things);
    for (std::size_t i = 0; i < things; ++i) {
      list[i].name = "t" + std::to_string(i);
      list[i].bus = "b";
      list[i].sample_interval = interval;
      list[i].points.resize(2);
      list[i].points[0].name = "a";
      list[i].points[1].name = "b";
    }
    manager->Start({bus}, std::move(list));
    loop.Advance(3s);
  }
  void Write(const std::string& thing, const std::string& point, double value) {
    manager->Write(thing, point, Value(value), [this, what = thing + point](const Status& status) {
      outcomes.push_back(what + (status ? "" : ": " + status.error().message));
    });
  }
  std::size_t Recordings() const {
    std::error_code error;
    std::size_t files = 0;
    for ([[maybe_unused]] const auto& file : std::filesystem::directory_iterator(folder, error)) ++files;
    return files;
  }

  VirtualLoop loop;
  TimeTrust trust{loop.virtual_clock, true, 0};
  std::function<void(FakeHost&, const wire::ReadRequest&)> on_read = [](FakeHost& host, const wire::ReadRequest& r) {
    host.AnswerOk(r);
  };
  std::function<void(FakeHost&, const wire::WriteRequest&)> on_write = [this](FakeHost& host,
                                                                              const wire::WriteRequest& w) {
    ++single_writes;
    host.Say(wire::WriteAnswer{w.id, wire::Code::kOk, ""}, 100ms);
  };
  std::function<void(FakeHost&, const wire::AskRequest&)> on_ask = [this](FakeHost& host, const wire::AskRequest& a) {
    questions.push_back(a.question);
    for (const std::string& object : answer) host.Say(wire::AskObject{a.id, object});
    host.Say(wire::AskAnswer{a.id, wire::Code::kOk, ""});
  };
  std::vector<std::string> answer, questions, outcomes;
  int single_writes = 0, readings = 0;
  std::filesystem::path folder;
  FakeLauncher* launcher = nullptr;
  std::unique_ptr<BusManagerImpl> manager;
};

TEST_F(BusTogetherTest, WritesToOneThingThatWaitTogetherGoToTheDriverTogether) {
  Start(2, 1h, wire::kCanWrite | wire::kCanAsk | wire::kCanWriteMany);
  questions.clear();
  answer = {R"({"status":0})", R"({"status":7,"error":"exception 3"})"};
  Write("t0", "a", 1);  // the bus is free: at once
  Write("t0", "a", 2);
  Write("t0", "b", 0);
  Write("t1", "a", 4);
  loop.Advance(1s);
  EXPECT_EQ(single_writes, 2);
  EXPECT_THAT(questions, ElementsAre(R"({"ask":"write","thing":0,"values":[[0,2.0],[1,0.0]]})"));
  EXPECT_THAT(outcomes, ElementsAre("t0a", "t0a", "t0b: exception 3", "t1a"));
}

TEST_F(BusTogetherTest, AWriteThatIsNotWantedAnyMoreWhenItsTurnComesIsNotWritten) {
  Start(1, 1h, wire::kCanWrite | wire::kCanAsk);
  bool wanted = true;
  Write("t0", "a", 1);  // the bus is free: at once
  manager->Write(
      "t0", "b", Value(2.0), [this](const Status& status) { outcomes.push_back(status.error().message); },
      [&wanted] { return wanted; });
  Write("t0", "a", 3);
  wanted = false;
  loop.Advance(1s);
  EXPECT_EQ(single_writes, 2);
  EXPECT_THAT(outcomes, ElementsAre("t0a", "not wanted any more", "t0a"));
}

TEST_F(BusTogetherTest, ADriverThatWritesOneAtATimeGetsOneAtATime) {
  Start(1, 1h, wire::kCanWrite | wire::kCanAsk);
  questions.clear();
  for (int i = 0; i < 3; ++i) Write("t0", "a", i);
  loop.Advance(1s);
  EXPECT_EQ(single_writes, 3);
  EXPECT_TRUE(questions.empty());
}

TEST_F(BusTogetherTest, AHostThatDiesDuringAWriteStillAnswersIt) {
  on_write = [](FakeHost& host, const wire::WriteRequest&) { host.End("killed by SIGSEGV", 10ms); };
  Start(1, 1h, wire::kCanWrite);
  Write("t0", "a", 1);
  loop.Advance(1s);
  ASSERT_EQ(outcomes.size(), 1U);
  EXPECT_THAT(outcomes[0], ::testing::HasSubstr("SIGSEGV"));
}

TEST_F(BusTogetherTest, AtTheEndEverythingThatWaitsIsAnswered) {
  on_write = [](FakeHost&, const wire::WriteRequest&) {};
  Start(1, 1h, wire::kCanWrite | wire::kCanAsk);
  Write("t0", "a", 1);  // in flight
  Write("t0", "b", 2);
  manager->ReadNow("t0", [this](const Result<Reading>& r) { outcomes.push_back(r.error().message); });
  manager->Stop();
  EXPECT_EQ(outcomes.size(), 3U);
  EXPECT_THAT(outcomes, ::testing::Each(::testing::HasSubstr("the gateway stops")));
  Write("t0", "a", 3);
  EXPECT_EQ(outcomes.size(), 4U) << "and what comes after the end as well";
}

TEST_F(BusTogetherTest, WhatTheEndInterruptsIsNoReadingOfTheDevice) {
  on_read = [](FakeHost&, const wire::ReadRequest&) {};
  Start(1, 1s, 0);
  readings = 0;
  manager->ReadNow("t0", [this](const Result<Reading>& r) { outcomes.push_back(r.error().message); });
  manager.reset();
  EXPECT_EQ(readings, 0);
  EXPECT_THAT(outcomes, ElementsAre("the gateway stops")) << "destruction answers too";
}

TEST_F(BusTogetherTest, WhenAUnitLastAnsweredOutlivesItsHost) {
  Start(1, 1s, wire::kCanAsk);
  answer = {R"({"answer":"line"})", R"({"answer":"unit","unit":7,"requests":5,"answers":5,"last_answer_ms_ago":1000})"};
  loop.Advance(10s);
  ASSERT_EQ(manager->Buses()[0].units.size(), 1U);
  EXPECT_EQ(manager->Buses()[0].units[0].answers, 5U);
  const std::int64_t then = manager->Buses()[0].units[0].last_answer_ms;
  EXPECT_GT(then, 0);
  answer = {R"({"answer":"unit","unit":7,"requests":1,"answers":0,"last_answer_ms_ago":null})"};
  loop.Advance(20s);
  EXPECT_EQ(manager->Buses()[0].units[0].answers, 0U);
  EXPECT_EQ(manager->Buses()[0].units[0].last_answer_ms, then);
  answer = {};
  loop.Advance(20s);
  ASSERT_EQ(manager->Buses()[0].units.size(), 1U) << "also while the new host has not asked it yet";
  EXPECT_EQ(manager->Buses()[0].units[0].last_answer_ms, then);
}

TEST_F(BusTogetherTest, TheRecorderSparesTheCard) {
  for (std::size_t i = 0; i < Recorder::kMaxFilesPerDay + 5; ++i) {
    Recorder(folder).Save("b", static_cast<std::int64_t>(i), "x");  // each as a daemon that was started again
  }
  EXPECT_EQ(Recordings(), Recorder::kMaxFilesPerDay);
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    std::filesystem::last_write_time(file, std::filesystem::file_time_type::clock::now() - 25h);
  }
  for (std::size_t day = 1; day < 5; ++day) {
    for (std::size_t i = 0; i < Recorder::kMaxFilesPerDay; ++i) {
      Recorder(folder).Save("b", static_cast<std::int64_t>(day * 100 + i), "x");
    }
    for (const auto& file : std::filesystem::directory_iterator(folder)) {
      std::filesystem::last_write_time(file, std::filesystem::last_write_time(file) - 25h);
    }
  }
  EXPECT_EQ(Recordings(), Recorder::kMaxFiles);
  Recorder(folder).Save("b", 0, std::string(kMaxRecordingBytes + 1, ' '));
  EXPECT_EQ(Recordings(), Recorder::kMaxFiles);
  EXPECT_FALSE(std::filesystem::exists(folder / "b-0.jsonl"));
}

TEST_F(BusTogetherTest, AUnitThatFallsSilentLeavesOneRecording) {
  Start(2, 1s, wire::kCanAsk);
  answer = {R"({"answer":"line","transport":"tcp"})", R"({"kind":"sent","at_ns":1,"hex":"00"})"};
  launcher->on_read = [](FakeHost& host, const wire::ReadRequest& r) { host.AnswerTimeout(r); };
  loop.Advance(60s);
  manager.reset();  // waits for the file
  EXPECT_EQ(Recordings(), 1U) << "two units fell silent, within ten minutes";
}

TEST_F(BusTogetherTest, AnAnomalyThatTheDriverCountsIsRecordedOnceFromWhatItFroze) {
  Start(1, 1s, wire::kCanAsk);
  answer = {R"({"answer":"line","anomalies":0,"anomaly":""})"};
  loop.Advance(30s);
  questions.clear();
  answer = {R"({"answer":"line","anomalies":1,"anomaly":"many damaged replies"})"};
  loop.Advance(60s);
  std::size_t frozen = 0;
  for (const std::string& question : questions) frozen += question == R"({"ask":"frames","frozen":true})" ? 1 : 0;
  EXPECT_EQ(frozen, 1U);
  manager.reset();
  EXPECT_EQ(Recordings(), 1U);
}

}  // namespace
}  // namespace penumbra::test
