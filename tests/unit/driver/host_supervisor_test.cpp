#include "driver/host_supervisor.hpp"

#include <gmock/gmock.h>

#include "fake_host.hpp"

namespace penumbra::test {
namespace {

using namespace std::chrono_literals;
using State = HostSupervisor::State;
using ::testing::HasSubstr;

class HostSupervisorTest : public ::testing::Test {
 protected:
  void Start() {
    supervisor.Start();
    loop.RunReady();
  }
  void Read() {
    supervisor.Read({.thing = 0, .points = {0, 1}}, 500ms, [this](Result<wire::ReadAnswer> answer) {
      answers.push_back(answer ? "ok" : answer.error().message);
    });
  }
  // Until it runs again.
  void WaitUp() {
    for (int i = 0; i < 1000 && supervisor.state() != State::kRunning; ++i) loop.Advance(100ms);
    ASSERT_EQ(supervisor.state(), State::kRunning);
  }

  VirtualLoop loop;
  Random random{1};
  FakeLauncher launcher{loop};
  int ups = 0, downs = 0;
  std::vector<std::string> answers;
  std::vector<std::string> facts;
  HostSupervisor supervisor{
      {"bus", "sim", "{}"},
      launcher,
      loop,
      random,
      {[this] { ++ups; },
       [this] { ++downs; },
       [this](const std::string& key, const std::string& json) { facts.push_back(key + "=" + json); },
       {}}};
};

TEST_F(HostSupervisorTest, ADeathInAReadFailsTheReadWithItsCause) {
  launcher.on_read = [](FakeHost& host, const wire::ReadRequest&) { host.End("killed by SIGSEGV", 10ms); };
  Start();
  Read();
  loop.Advance(10ms);
  EXPECT_THAT(answers, ::testing::ElementsAre("killed by SIGSEGV in read"));
  EXPECT_EQ(supervisor.state(), State::kBackoff);
  EXPECT_EQ(supervisor.reason(), "killed by SIGSEGV in read");
  EXPECT_EQ(downs, 1);
  loop.Advance(500ms);
  EXPECT_EQ(supervisor.state(), State::kRunning);
  EXPECT_EQ(supervisor.restarts(), 1U);
  EXPECT_EQ(supervisor.reason(), "");
}

TEST_F(HostSupervisorTest, AHangIsKilledOnlyPastDeadlineAndGrace) {
  launcher.on_read = [](FakeHost&, const wire::ReadRequest&) {};
  Start();
  Read();
  loop.Advance(2499ms);
  EXPECT_EQ(launcher.newest->kills, 0);
  loop.Advance(1ms);
  EXPECT_THAT(answers, ::testing::ElementsAre("hung in read: no answer 2s past its deadline"));
}

TEST_F(HostSupervisorTest, ACallPastItsDeadlineIsCancelledBeforeItCountsAsHung) {
  launcher.on_read = [](FakeHost&, const wire::ReadRequest&) {};
  Start();
  Read();
  loop.Advance(549ms);
  EXPECT_EQ(launcher.newest->cancels, 0);
  loop.Advance(1ms);
  EXPECT_EQ(launcher.newest->cancels, 1);
  EXPECT_EQ(launcher.newest->kills, 0);
}

TEST_F(HostSupervisorTest, AnAnswerInTimeIsNotCancelledLater) {
  Start();
  Read();
  loop.Advance(5s);
  EXPECT_EQ(launcher.newest->cancels, 0);
}

TEST_F(HostSupervisorTest, AnAnswerToAnotherQuestionIsGarbage) {
  launcher.on_ask = [](FakeHost& host, const wire::AskRequest& r) { host.Say(wire::AskObject{r.id + 1, "{}"}); };
  Start();
  std::string error;
  supervisor.Ask({.question = "{}"}, 1s,
                 [&error](const Result<HostSupervisor::AskReply>& reply) { error = reply.error().message; });
  loop.Advance(1ms);
  EXPECT_EQ(error, "sent garbage");
}

TEST_F(HostSupervisorTest, AnAnswerWithoutEndIsBoundedAndTheRestDropped) {
  launcher.on_ask = [](FakeHost& host, const wire::AskRequest& r) {
    for (std::size_t i = 0; i < HostSupervisor::kMaxAskObjects + 5; ++i) host.Say(wire::AskObject{r.id, "{}"});
    host.Say(wire::AskAnswer{r.id, wire::Code::kOk, ""});
  };
  Start();
  std::optional<HostSupervisor::AskReply> reply;
  supervisor.Ask({.question = "{}"}, 1s, [&reply](Result<HostSupervisor::AskReply> r) { reply = std::move(*r); });
  loop.Advance(1ms);
  ASSERT_TRUE(reply);
  EXPECT_TRUE(reply->too_many);
  EXPECT_EQ(reply->objects.size(), HostSupervisor::kMaxAskObjects);
}

TEST_F(HostSupervisorTest, FactsPassOnAndAFloodOfThemIsAFault) {
  Start();
  launcher.newest->Say(wire::Fact{"a", "1"});
  loop.Advance(1ms);
  EXPECT_THAT(facts, ::testing::ElementsAre("a=1"));
  for (int i = 0; i < 300; ++i) launcher.newest->Say(wire::Fact{"a", std::to_string(i)});
  loop.Advance(1ms);
  EXPECT_EQ(supervisor.reason(), "flooded the daemon with facts");
}

TEST_F(HostSupervisorTest, AnAnswerWithinTheGraceIsAnAnswer) {
  launcher.on_read = [](FakeHost& host, const wire::ReadRequest& r) { host.AnswerOk(r, 2400ms); };
  Start();
  Read();
  loop.Advance(2400ms);
  EXPECT_THAT(answers, ::testing::ElementsAre("ok"));
}

TEST_F(HostSupervisorTest, AHangInOpenIsKilled) {
  launcher.on_start = [](FakeHost& host) { host.Say(wire::Loaded{"1"}); };
  Start();
  loop.Advance(9999ms);
  EXPECT_EQ(supervisor.state(), State::kOpening);
  loop.Advance(1ms);
  EXPECT_EQ(supervisor.state(), State::kBackoff);
  EXPECT_THAT(supervisor.reason(), HasSubstr("open took longer than 10s"));
}

TEST_F(HostSupervisorTest, WhatIsNoFrameOrNotExpectedIsGarbage) {
  const std::vector<std::string> bad = {
      "",
      "junk",
      wire::Encode(wire::FromHost(wire::Opened{})),
      wire::Encode(wire::FromHost(wire::Loaded{"1"})),
      wire::Encode(wire::FromHost(wire::ReadAnswer{1, wire::Code::kOk, {}})),
      wire::Encode(wire::FromHost(wire::WriteAnswer{1, wire::Code::kOk, ""})),
  };
  for (const std::string& frame : bad) {
    FakeLauncher one(loop);
    HostSupervisor s({"bus", "sim", "{}"}, one, loop, random, {[] {}, [] {}});
    s.Start();
    loop.RunReady();
    one.newest->Raw(frame);
    loop.RunReady();
    EXPECT_EQ(s.reason(), "sent garbage");
    EXPECT_EQ(s.state(), State::kBackoff);
  }
}

TEST_F(HostSupervisorTest, AnAnswerWithTooManyValuesOrAnotherIdIsGarbage) {
  launcher.on_read = [](FakeHost& host, const wire::ReadRequest& r) {
    host.Say(wire::ReadAnswer{r.id, wire::Code::kOk, std::vector<wire::RawValue>(3, {Value(true)})});
  };
  Start();
  Read();
  loop.RunReady();
  EXPECT_THAT(answers, ::testing::ElementsAre("sent garbage"));
  WaitUp();
  launcher.on_read = [](FakeHost& host, const wire::ReadRequest& r) {
    host.Say(wire::ReadAnswer{r.id + 1, wire::Code::kOk, std::vector<wire::RawValue>(2, {Value(true)})});
  };
  Read();
  loop.RunReady();
  EXPECT_EQ(answers.back(), "sent garbage");
}

TEST_F(HostSupervisorTest, FramesOfAHostThatWasGivenUpDoNotCount) {
  launcher.on_read = [](FakeHost& host, const wire::ReadRequest& r) {
    host.unkillable = true;
    host.AnswerOk(r, 2600ms);
  };
  Start();
  Read();
  loop.Advance(3s);
  EXPECT_EQ(answers.size(), 1U);
}

TEST_F(HostSupervisorTest, FiveCrashesWithoutAGoodMinuteAreQuarantinedAndTriedRarely) {
  launcher.on_start = [](FakeHost& host) { host.End("exited 1"); };
  Start();
  loop.Advance(60s);
  EXPECT_EQ(supervisor.state(), State::kQuarantined);
  EXPECT_EQ(launcher.launches, 5);
  loop.Advance(4min);
  EXPECT_EQ(launcher.launches, 5);
  loop.Advance(2min);
  EXPECT_EQ(launcher.launches, 6);
  launcher.on_start = [](FakeHost& host) { host.OpenOk(); };
  loop.Advance(6min);
  EXPECT_EQ(supervisor.state(), State::kRunning);
}

TEST_F(HostSupervisorTest, AGoodMinuteForgivesEarlierCrashes) {
  Start();
  for (int i = 0; i < 20; ++i) {
    loop.Advance(61s);
    launcher.newest->End("exited 1");
    loop.RunReady();
    EXPECT_EQ(supervisor.state(), State::kBackoff);
    loop.Advance(500ms);  // the first ceiling of the backoff
    ASSERT_EQ(supervisor.state(), State::kRunning);
  }
}

TEST_F(HostSupervisorTest, AMissingDeviceIsTriedForEverWithoutQuarantine) {
  launcher.on_start = [](FakeHost& host) {
    host.Say(wire::Loaded{"1"});
    host.Say(wire::Opened{wire::Code::kNoDevice, "no /dev/ttyUSB0"});
  };
  Start();
  loop.Advance(1h);
  EXPECT_EQ(supervisor.state(), State::kBackoff);
  EXPECT_EQ(supervisor.reason(), "no /dev/ttyUSB0");
  EXPECT_GT(launcher.launches, 3600 / 30);
}

TEST_F(HostSupervisorTest, RefusedOptionsAreNeverTriedAgain) {
  launcher.on_start = [](FakeHost& host) {
    host.Say(wire::Loaded{"1"});
    host.Say(wire::Opened{wire::Code::kBadOptions, "no such parity"});
    host.End("exited 1");
  };
  Start();
  EXPECT_EQ(supervisor.state(), State::kMisconfigured);
  EXPECT_EQ(supervisor.reason(), "no such parity");
  loop.Advance(24h);
  EXPECT_EQ(launcher.launches, 1);
}

TEST_F(HostSupervisorTest, AMissingDriverIsLookedForRarely) {
  launcher.refuse = Error{Action::kFixConfig, "no driver 'x'"};
  Start();
  EXPECT_EQ(supervisor.state(), State::kMisconfigured);
  loop.Advance(4min);
  EXPECT_EQ(launcher.launches, 1);
  launcher.refuse.reset();
  loop.Advance(2min);
  EXPECT_EQ(supervisor.state(), State::kRunning);
}

TEST_F(HostSupervisorTest, AHostStuckInTheKernelGetsNoSecondBesideIt) {
  launcher.on_read = [](FakeHost& host, const wire::ReadRequest&) { host.unkillable = true; };
  Start();
  Read();
  loop.Advance(1h);
  EXPECT_EQ(launcher.launches, 1);
  EXPECT_THAT(supervisor.reason(), HasSubstr("stuck in the kernel"));
  launcher.newest->End("killed by SIGKILL");
  loop.RunReady();
  EXPECT_EQ(launcher.launches, 2);
  EXPECT_EQ(supervisor.state(), State::kRunning);
}

TEST_F(HostSupervisorTest, AKillThatTheGatewayDidNotSendPointsToTheKernel) {
  Start();
  launcher.newest->End("killed by SIGKILL");
  loop.RunReady();
  EXPECT_EQ(supervisor.reason(), "killed by SIGKILL while idle: out of memory (journalctl -k), or by hand");
}

TEST_F(HostSupervisorTest, AClosedSocketWaitsAMomentForTheCauseOfDeath) {
  Start();
  launcher.newest->CloseSocket();
  launcher.newest->End("killed by SIGABRT", 10ms);
  loop.Advance(10ms);
  EXPECT_EQ(supervisor.reason(), "killed by SIGABRT while idle");
  WaitUp();
  launcher.newest->CloseSocket();
  loop.Advance(1s);
  EXPECT_EQ(supervisor.reason(), "closed its connection");
}

TEST_F(HostSupervisorTest, ForgedLogLinesEndTheHostAndHugeCountsDoNotWrap) {
  Start();
  for (int i = 0; i < 3; ++i) launcher.newest->Say(wire::LogLine{7, "", std::numeric_limits<std::uint64_t>::max() - 1});
  loop.RunReady();
  EXPECT_EQ(supervisor.log_lines_dropped(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(supervisor.state(), State::kRunning);
  for (int i = 0; i < 300; ++i) launcher.newest->Say(wire::LogLine{7, "x", 0});
  loop.RunReady();
  EXPECT_EQ(supervisor.reason(), "flooded the daemon");
}

TEST_F(HostSupervisorTest, ACrashInCloseIsToldAndTheNextHostStartsAllTheSame) {
  Start();
  launcher.newest->ends_with = "killed by SIGSEGV";
  launcher.newest->takes_to_close = 10ms;
  launcher.on_start = [](FakeHost& host) {
    host.Say(wire::Loaded{"1", host.capabilities});
    host.Say(wire::Opened{}, 50ms);
  };
  supervisor.Reopen("sim");
  EXPECT_EQ(supervisor.reason(), "");
  loop.Advance(20ms);
  EXPECT_EQ(supervisor.reason(), "killed by SIGSEGV in close");
  WaitUp();
  EXPECT_EQ(supervisor.reason(), "");
  EXPECT_EQ(supervisor.restarts(), 0U);  // asked for
  EXPECT_EQ(downs, 0);
}

TEST_F(HostSupervisorTest, ADriverThatIsBrokenOffInACallHasNotHungInClose) {
  launcher.on_read = [](FakeHost&, const wire::ReadRequest&) {};
  Start();
  Read();
  launcher.newest->ends_with = kHungAtTheEnd;
  bool ended = false;
  supervisor.Close({Action::kBackOff, "removed"}, [&ended] { ended = true; });
  loop.Advance(10ms);
  EXPECT_TRUE(ended);
  EXPECT_EQ(supervisor.reason(), "");
}

}  // namespace
}  // namespace penumbra::test
