// What one real host does with its driver, without any fault.
#include <gmock/gmock.h>

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "driver/host_launcher.hpp"
#include "driver_rig.hpp"

namespace penumbra::test {
namespace {

using ::testing::HasSubstr;

class Host : public DriverRig {};

TEST_F(Host, PollsAndDatesReadingsWithinTheBoot) {
  Start({MakeBus("b")}, {MakeThing("t", "b")});
  const std::int64_t begun = clock_.Now().ns;
  const std::int64_t begun_ms = clock_.UnixMs();
  ASSERT_TRUE(RunUntil([this] { return readings_["t"].size() >= 3; })) << Word("b");
  const Reading& reading = readings_["t"].front();
  ASSERT_EQ(reading.values.size(), 2U);
  EXPECT_EQ(reading.values[0].point, "temperature");
  EXPECT_EQ(reading.values[0].quality, Quality::kGood);
  EXPECT_GE(reading.boot_ns, begun);
  EXPECT_LE(reading.boot_ns, clock_.Now().ns);
  EXPECT_GE(reading.unix_ms, begun_ms - 1);
  EXPECT_LE(reading.unix_ms, clock_.UnixMs());
  EXPECT_EQ(reading.boot_id, clock_.BootId());
  EXPECT_EQ(Bus("b").state, "running");
  EXPECT_GT(Bus("b").pid, 0);
}

TEST_F(Host, WritesASetpointAndReadsItBack) {
  Start({MakeBus("b")}, {MakeThing("t", "b", Json::object(), {"setpoint"})});
  std::optional<Status> written;
  std::optional<Result<Reading>> read;
  manager_->Write("t", "setpoint", Value(21.5), [&](Status status) {
    written = status;
    manager_->ReadNow("t", [&](Result<Reading> reading) { read = std::move(reading); });
  });
  ASSERT_TRUE(RunUntil([&] { return read.has_value(); }));
  EXPECT_TRUE(written->has_value());
  ASSERT_TRUE(*read);
  EXPECT_EQ((*read)->values[0].value, Value(21.5));
}

TEST_F(Host, TellsWhyAWriteWasNotDone) {
  Start({MakeBus("b")}, {MakeThing("t", "b"), MakeThing("r", "b", {{"fault", "refuse"}}, {"setpoint"})});
  std::vector<std::string> reasons;
  const auto note = [&reasons](const Status& status) { reasons.push_back(status ? "ok" : status.error().message); };
  manager_->Write("t", "temperature", Value(1.0), note);
  manager_->Write("r", "setpoint", Value(1.0), note);
  manager_->Write("t", "nonsense", Value(1.0), note);
  ASSERT_TRUE(RunUntil([&] { return reasons.size() == 3; }));
  EXPECT_THAT(reasons[0], HasSubstr("no point"));
  EXPECT_THAT(reasons[1], HasSubstr("only a setpoint"));
  EXPECT_THAT(reasons[2], HasSubstr("exception 4"));
}

TEST_F(Host, GoesBeforeTheDaemonWhenMemoryIsShort) {
  Start({MakeBus("b")}, {MakeThing("t", "b")});
  ASSERT_TRUE(RunUntil([this] { return readings_["t"].size() >= 1; })) << Word("b");
  int score = 0;
  std::ifstream(fmt::format("/proc/{}/oom_score_adj", Bus("b").pid)) >> score;
  EXPECT_EQ(score, 500);
}

TEST_F(Host, EndsWithItsManager) {
  Start({MakeBus("b")}, {MakeThing("t", "b")});
  ASSERT_TRUE(RunUntil([this] { return !readings_["t"].empty(); }));
  const int pid = Bus("b").pid;
  EXPECT_EQ(::kill(pid, 0), 0);
  manager_.reset();
  EXPECT_EQ(::kill(pid, 0), -1);
}

TEST_F(Host, HasBoundedDescriptorsNoCoreAndNoNewPrivileges) {
  Start({MakeBus("b")}, {MakeThing("t", "b")});
  ASSERT_TRUE(RunUntil([this] { return !readings_["t"].empty(); }));
  const std::string proc = "/proc/" + std::to_string(Bus("b").pid);
  std::ifstream limits(proc + "/limits");
  const std::string text{std::istreambuf_iterator<char>(limits), {}};
  EXPECT_THAT(text, ::testing::ContainsRegex("Max core file size +0 +0"));
  EXPECT_THAT(text, ::testing::ContainsRegex("Max open files +256 +256"));
  std::ifstream status(proc + "/status");
  EXPECT_THAT(std::string(std::istreambuf_iterator<char>(status), {}), HasSubstr("NoNewPrivs:\t1"));
  int descriptors = 0;
  for ([[maybe_unused]] const auto& fd : std::filesystem::directory_iterator(proc + "/fd")) ++descriptors;
  EXPECT_LE(descriptors, 6);  // 0, 1, 2, socket, cancel event; nothing of the daemon's
}

// It says why it ends when the next request is on its way already.
TEST_F(Host, ItsLastWordsAreHeardThoughItLeavesARequestUnread) {
  const std::string script =
      std::filesystem::temp_directory_path() / ("penumbra-last-words-" + std::to_string(::getpid()));
  const std::string sent = script + ".sent";
  std::ofstream(script) << "#!/bin/sh\nuntil [ -e " << sent << " ]; do sleep 0.01; done\n"
                        << "printf 'last words' >&3\nexit 1\n";
  std::filesystem::permissions(script, std::filesystem::perms::owner_all);
  PathSettings paths = TestPaths();
  paths.driver_host = script;
  std::vector<std::string> heard;
  std::string end;
  HostHandlers handlers;
  handlers.frame = [&](std::string_view frame) { heard.emplace_back(frame); };
  handlers.broken = handlers.closed = [] {};
  handlers.ended = [&](const std::string& how) { end = how; };
  handlers.output = [](const std::string&, std::uint64_t) {};
  const auto launcher = MakeProcessLauncher(paths, loop_);
  const auto process = launcher->Launch({"b", "sim", "{}"}, handlers);
  ASSERT_TRUE(process) << process.error().message;
  EXPECT_TRUE((*process)->Send("the next request"));
  std::ofstream{sent};
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>((*process)->pid()), &info, WEXITED | WNOWAIT), 0);
  EXPECT_TRUE(RunUntil([&] { return !end.empty(); }));
  EXPECT_EQ(end, "exited 1");
  EXPECT_THAT(heard, ::testing::ElementsAre("last words"));
  std::filesystem::remove(script);
  std::filesystem::remove(sent);
}

TEST_F(Host, ABusOfManyThingsNeedsNoLargeFrame) {
  std::vector<ThingSettings> things;
  for (int i = 0; i < 1000; ++i) {
    things.push_back(MakeThing("thing-with-a-rather-long-name-" + std::to_string(i), "b"));
    things.back().sample_interval = 500ms;
  }
  Start({MakeBus("b")}, things);
  ASSERT_TRUE(RunUntil([this] { return readings_.size() == 1000; })) << Word("b");
}

}  // namespace
}  // namespace penumbra::test
