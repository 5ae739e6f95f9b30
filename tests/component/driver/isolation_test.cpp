// What a bad driver costs its own bus and, above all, the other one: nothing.
#include <gmock/gmock.h>

#include <condition_variable>
#include <fstream>
#include <mutex>
#include <thread>

#include "driver_rig.hpp"

namespace penumbra::test {
namespace {

using ::testing::HasSubstr;

// A thread that wants to run at each beat, and loses those for which the machine has no time: what a bus can keep at
// best. Nothing that happens on the loop concerns it.
class Metronome {
 public:
  ~Metronome() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    end_.notify_all();
    thread_.join();
  }
  // The share of its beats that it kept, 1 at most.
  double kept() {
    const std::lock_guard lock(mutex_);
    return due_ == 0 ? 1 : static_cast<double>(kept_) / static_cast<double>(due_);
  }

 private:
  static constexpr auto kBeat = 50ms;

  void Run() {
    std::unique_lock lock(mutex_);
    const auto begun = std::chrono::steady_clock::now();
    while (!end_.wait_until(lock, begun + (due_ + 1) * kBeat, [this] { return ended_; })) {
      ++kept_;
      due_ = (std::chrono::steady_clock::now() - begun) / kBeat;
    }
  }

  std::mutex mutex_;
  std::condition_variable end_;
  bool ended_ = false;
  std::int64_t kept_ = 0;
  std::int64_t due_ = 0;
  std::thread thread_{[this] { Run(); }};
};

class Isolation : public DriverRig {
 protected:
  // Beside the bad bus runs a good one.
  void StartBeside(BusSettings bad, ThingSettings thing) {
    Start({std::move(bad), MakeBus("good")}, {std::move(thing), MakeThing("healthy", "good")});
  }
  // The good bus keeps at least 95 % of its polls, counted since it began; less only as far as the machine had no time
  // for anybody. The bad one goes on meanwhile: what that costs stays in the account, a single moment is outweighed.
  void ExpectHealthy() {
    const auto& readings = readings_["healthy"];
    double kept = 0;
    EXPECT_TRUE(RunUntil([&] {
      if (readings.size() < 20) return false;
      const double seconds = static_cast<double>(readings.back().boot_ns - readings.front().boot_ns) * 1e-9;
      kept = static_cast<double>(readings.size()) / (seconds / 0.05);
      return kept >= 0.95 * metronome_.kept();
    })) << Word("good")
        << ": " << readings.size() << " readings, kept " << kept << ", a thread alone " << metronome_.kept();
    EXPECT_EQ(Bus("good").restarts, 0U);
  }
  // The bad bus says `cause` within the limit.
  void ExpectTrouble(const std::string& cause) {
    std::string seen;
    EXPECT_TRUE(RunUntil([&] {
      const std::string word = Word("bad");
      if (seen.find(word) == std::string::npos) seen += word + "\n";
      return word.find(cause) != std::string::npos;
    })) << "wanted: "
        << cause << "\nseen:\n"
        << seen;
  }

  Metronome metronome_;
};

TEST_F(Isolation, ACrashInReadIsNamedAndTheBusComesBack) {
  StartBeside(MakeBus("bad"), MakeThing("t", "bad", {{"fault", "crash"}, {"fault_after", 5}}));
  ExpectTrouble("killed by SIGSEGV in read");
  ASSERT_TRUE(RunUntil([this] { return GoodReadings("t") > 5; }));
  EXPECT_GE(Bus("bad").restarts, 1U);
  ExpectHealthy();
}

TEST_F(Isolation, ACrashWhileTheDriverIsLoadedIsNamed) {
  StartBeside(MakeBus("bad", "test_entry_crash"), MakeThing("t", "bad"));
  ExpectTrouble("killed by SIGSEGV while it loaded the driver");
  ExpectHealthy();
}

TEST_F(Isolation, ACrashLoopEndsInQuarantine) {
  StartBeside(MakeBus("bad", "sim", {{"open_fault", "crash"}}), MakeThing("t", "bad"));
  ExpectTrouble("killed by SIGSEGV in open");
  ASSERT_TRUE(RunUntil([this] { return Bus("bad").state == "quarantined"; })) << Word("bad");
  EXPECT_EQ(readings_["t"].size(), 1U);
  EXPECT_TRUE(readings_["t"].front().AllBad());
  ExpectHealthy();
}

TEST_F(Isolation, AHangIsKilledPastItsDeadline) {
  ThingSettings thing = MakeThing("t", "bad", {{"fault", "hang"}, {"fault_after", 3}}, {"temperature"});
  thing.timeout = 100ms;
  StartBeside(MakeBus("bad"), thing);
  ExpectTrouble("hung in read: no answer 2s past its deadline");
  ASSERT_TRUE(RunUntil([this] { return GoodReadings("t") > 3; }));
  ExpectHealthy();
}

TEST_F(Isolation, AHangWithAllSignalsBlockedIsKilledToo) {
  ThingSettings thing = MakeThing("t", "bad", Json::object(), {"temperature"});
  StartBeside(MakeBus("bad", "test_hostile", {{"deed", "blocked_signals"}}), thing);
  ExpectTrouble("hung in read");
  ExpectHealthy();
}

TEST_F(Isolation, AHangInOpenIsKilledAfterTenSeconds) {
  StartBeside(MakeBus("bad", "sim", {{"open_fault", "hang"}}), MakeThing("t", "bad"));
  ExpectTrouble("hung: open took longer than 10s");
  ExpectHealthy();
}

TEST_F(Isolation, AnExitIsNamedWithItsCode) {
  StartBeside(MakeBus("bad"), MakeThing("t", "bad", {{"fault", "exit"}}));
  ExpectTrouble("exited 3 in read");
  ExpectHealthy();
}

TEST_F(Isolation, GarbageOnTheSocketIsNamed) {
  StartBeside(MakeBus("bad"), MakeThing("t", "bad", {{"fault", "garbage"}}));
  ExpectTrouble("sent garbage");
  ExpectHealthy();
}

TEST_F(Isolation, AFrameThatIsTooLongIsGarbage) {
  StartBeside(MakeBus("bad", "test_hostile", {{"deed", "long_frame"}}), MakeThing("t", "bad"));
  ExpectTrouble("sent garbage");
  ExpectHealthy();
}

TEST_F(Isolation, ForgedLogFramesEndTheHost) {
  StartBeside(MakeBus("bad", "test_hostile", {{"deed", "log_forger"}}), MakeThing("t", "bad"));
  ExpectTrouble("flooded the daemon");
  ExpectHealthy();
}

TEST_F(Isolation, AClosedSocketEndsTheHost) {
  StartBeside(MakeBus("bad", "test_hostile", {{"deed", "close_socket"}}), MakeThing("t", "bad"));
  ExpectTrouble("closed its connection");
  ExpectHealthy();
}

TEST_F(Isolation, WritingFarBeyondTheValuesIsTheHostsDeath) {
  StartBeside(MakeBus("bad", "test_hostile", {{"deed", "overflow"}}), MakeThing("t", "bad"));
  ExpectTrouble("in read");
  ExpectHealthy();
}

TEST_F(Isolation, AWildTextPointerIsTheHostsDeath) {
  StartBeside(MakeBus("bad", "test_hostile", {{"deed", "wild_text"}}), MakeThing("t", "bad"));
  ExpectTrouble("in read");
  ExpectHealthy();
}

TEST_F(Isolation, AFloodOfLogIsCutAndCounted) {
  StartBeside(MakeBus("bad"), MakeThing("t", "bad", {{"fault", "flood"}}));
  ASSERT_TRUE(RunUntil([this] { return Bus("bad").log_lines_dropped > 1000; })) << Word("bad");
  EXPECT_EQ(Bus("bad").state, "running");
  EXPECT_TRUE(RunUntil([this] { return GoodReadings("t") > 0; }));
  ExpectHealthy();
}

TEST_F(Isolation, AMissingDriverIsMisconfiguredAndNamesTheOthers) {
  StartBeside(MakeBus("bad", "simm"), MakeThing("t", "bad"));
  ExpectTrouble("misconfigured: no driver 'simm'; did you mean 'sim'?");
  ASSERT_TRUE(RunUntil([this] { return !readings_["t"].empty() && readings_["healthy"].size() > 10; }));
  EXPECT_EQ(readings_["t"].front().values.front().reason, "bus down");
  ExpectHealthy();
}

TEST_F(Isolation, AnotherAbiIsMisconfigured) {
  StartBeside(MakeBus("bad", "test_wrong_abi"), MakeThing("t", "bad"));
  ExpectTrouble("misconfigured: cannot load the driver");
  RunFor(1s);
  EXPECT_EQ(Bus("bad").restarts, 0U);
}

TEST_F(Isolation, BadOptionsMakeNoRestartLoop) {
  StartBeside(MakeBus("bad", "sim", {{"open_fault", "bad_options"}}), MakeThing("t", "bad"));
  ExpectTrouble("misconfigured: simulated: bad options");
  RunFor(2s);
  EXPECT_EQ(Bus("bad").restarts, 0U);
  ExpectHealthy();
}

TEST_F(Isolation, AMissingDeviceIsTriedAgain) {
  StartBeside(MakeBus("bad", "sim", {{"open_fault", "no_device"}}), MakeThing("t", "bad"));
  ExpectTrouble("backoff: simulated: no such device");
  ASSERT_TRUE(RunUntil([this] { return Bus("bad").restarts >= 3; }));
  EXPECT_NE(Bus("bad").state, "quarantined");
}

TEST_F(Isolation, ValuesThatAreNoneAreBadAndNeverZero) {
  Start({MakeBus("nan"), MakeBus("unfilled", "test_hostile", {{"deed", "unfilled"}}),
         MakeBus("not_utf8", "test_hostile", {{"deed", "not_utf8"}}),
         MakeBus("bad_status", "test_hostile", {{"deed", "bad_status"}})},
        {MakeThing("t1", "nan", {{"fault", "nan"}}), MakeThing("t2", "unfilled"), MakeThing("t3", "not_utf8"),
         MakeThing("t4", "bad_status")});
  ASSERT_TRUE(RunUntil([this] { return readings_.size() == 4; }));
  const auto reason = [this](const std::string& thing) { return readings_[thing].front().values.front().reason; };
  for (const char* thing : {"t1", "t2", "t3", "t4"}) EXPECT_TRUE(readings_[thing].front().AllBad()) << thing;
  EXPECT_EQ(reason("t1"), "not a number");
  EXPECT_EQ(reason("t2"), "the driver filled no value");
  EXPECT_EQ(reason("t3"), "text is not UTF-8");
  EXPECT_EQ(reason("t4"), "i/o error");
}

TEST_F(Isolation, AHugeTextIsCutAndSaysSo) {
  Start({MakeBus("bad", "test_hostile", {{"deed", "huge_text"}})}, {MakeThing("t", "bad")});
  ASSERT_TRUE(RunUntil([this] { return !readings_["t"].empty(); })) << Word("bad");
  const PointValue& value = readings_["t"].front().values.front();
  EXPECT_EQ(value.quality, Quality::kUncertain);
  EXPECT_EQ(value.reason, "text cut");
  EXPECT_EQ(std::get<std::string>(value.value).size(), 4096U);
}

TEST_F(Isolation, ATimeInTheFutureIsReplacedByTheReceipt) {
  Start({MakeBus("bad", "test_hostile", {{"deed", "future"}})}, {MakeThing("t", "bad")});
  ASSERT_TRUE(RunUntil([this] { return !readings_["t"].empty(); }));
  EXPECT_LE(readings_["t"].front().boot_ns, clock_.Now().ns);
}

TEST_F(Isolation, AFaultFileSwitchesAFaultOnAndOff) {
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / ("penumbra-fault-" + std::to_string(::getpid()));
  Start({MakeBus("bad")}, {MakeThing("t", "bad", {{"fault_file", file.string()}})});
  ASSERT_TRUE(RunUntil([this] { return GoodReadings("t") > 0; }));
  std::ofstream(file) << "refuse\n";
  ASSERT_TRUE(RunUntil([this] { return readings_["t"].back().AllBad(); }));
  std::filesystem::remove(file);
  const std::size_t good = GoodReadings("t");
  ASSERT_TRUE(RunUntil([&] { return GoodReadings("t") > good; }));
}

}  // namespace
}  // namespace penumbra::test
