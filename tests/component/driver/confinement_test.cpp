// What a driver can reach, tried by a driver; and what happens to a bus whose driver misbehaves in each of its entry
// points. The other bus never loses anything (isolation_test.cpp looks at its rate; here its counters).
#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "driver_rig.hpp"

namespace penumbra::test {
namespace {

using ::testing::HasSubstr;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

class Confinement : public DriverRig {
 protected:
  void StartFaulty(Json options) {
    Start({MakeBus("bad", "test_fault", std::move(options)), MakeBus("good")},
          {MakeThing("t", "bad"), MakeThing("healthy", "good")});
    ASSERT_TRUE(RunUntil([this] { return GoodReadings("t") > 0 && GoodReadings("healthy") > 0; })) << Word("bad");
  }
  Result<OrderedJson> Question(const Json& question) {
    std::optional<Result<OrderedJson>> answer;
    manager_->Ask("bad", question, 30s, [&answer](Result<OrderedJson> result) { answer = std::move(result); });
    EXPECT_TRUE(RunUntil([&answer] { return answer.has_value(); }));
    return answer.value_or(Fail(Action::kFatal, "no answer"));
  }
  // What each attempt brought; also printed, as the measurement that the documentation quotes.
  std::map<std::string, std::string> Probe() {
    std::map<std::string, std::string> outcomes;
    const auto answer = Question({{"ask", "probe"},
                                  {"device", "/dev/full"},
                                  {"other", "/dev/zero"},
                                  {"folder", std::filesystem::temp_directory_path().string()}});
    if (!answer) ADD_FAILURE() << answer.error().message;
    for (const OrderedJson& row : answer.value_or(OrderedJson::array())) {
      outcomes[row.at("attempt")] = row.at("outcome");
      std::printf("%-26s %s\n", row.at("attempt").get<std::string>().c_str(),
                  row.at("outcome").get<std::string>().c_str());
    }
    return outcomes;
  }
};

constexpr const char* kAllowed = "ok";
constexpr const char* kPermission = "Operation not permitted";
constexpr const char* kAccess = "Permission denied";

TEST_F(Confinement, ADriverReachesItsDeviceAndNothingElse) {
  if (kSanitized) GTEST_SKIP() << "sanitizers need what the filter forbids";
  StartFaulty({{"device", "/dev/full"}});
  if (Bus("bad").unconfined.find("no Landlock") != std::string::npos) GTEST_SKIP() << Bus("bad").unconfined;
  EXPECT_EQ(Bus("bad").unconfined, "");
  const std::map<std::string, std::string> wanted{{"read a file of the system", kAccess},
                                                  {"read the configuration", kAccess},
                                                  {"create a file", kAccess},
                                                  {"open its device", kAllowed},
                                                  {"open another device", kAccess},
                                                  {"load a library", kAllowed},
                                                  {"internet socket", kAccess},
                                                  {"local socket", kAccess},
                                                  {"raw packets", kAccess},
                                                  {"fork", kPermission},
                                                  {"run a program", kPermission},
                                                  {"signal the daemon", kPermission},
                                                  {"trace the daemon", kPermission},
                                                  {"limits of the daemon", kPermission},
                                                  {"io_uring", kPermission},
                                                  {"start a thread", kAllowed},
                                                  {"signal itself", kAllowed}};
  // A path that is not there is refused as such where reading it is forbidden; both keep the driver out.
  std::map<std::string, std::string> outcomes = Probe();
  if (outcomes["read the configuration"] == "No such file or directory") outcomes["read the configuration"] = kAccess;
  EXPECT_EQ(outcomes, wanted);
  EXPECT_EQ(Bus("bad").restarts, 0U);
}

TEST_F(Confinement, ANetworkDriverGetsTheInternetAndNoLocalSocket) {
  if (kSanitized) GTEST_SKIP() << "sanitizers need what the filter forbids";
  StartFaulty({{"network", true}});
  const auto outcomes = Probe();
  EXPECT_EQ(outcomes.at("internet socket"), kAllowed);
  EXPECT_EQ(outcomes.at("local socket"), kAccess);
  EXPECT_EQ(outcomes.at("raw packets"), kAccess);
}

TEST_F(Confinement, ADriverThatDoesNotSayItsNeedsIsShownAsSuch) {
  Start({MakeBus("b", "test_old_abi")}, {MakeThing("t", "b")});
  ASSERT_TRUE(RunUntil([this] { return GoodReadings("t") > 0; })) << Word("b");
  EXPECT_THAT(Bus("b").unconfined, HasSubstr("the driver does not say what it needs"));
}

TEST_F(Confinement, ADeviceThatWasPluggedInAgainGetsANewHost) {
  const std::filesystem::path device =
      std::filesystem::temp_directory_path() / ("penumbra-device-" + std::to_string(::getpid()));
  std::ofstream(device) << "first";
  StartFaulty({{"device", device.string()}});
  std::ofstream(device.string() + ".new") << "second";
  std::filesystem::rename(device.string() + ".new", device);
  RunFor(200ms);  // it still reads well: no reason to look
  EXPECT_EQ(Bus("bad").restarts, 0U);
  ASSERT_TRUE(Question({{"ask", "deed"}, {"in", "read"}, {"what", "throw"}}));
  ASSERT_TRUE(RunUntil([this] { return Bus("bad").reason.find("was plugged in again") != std::string::npos; }))
      << Word("bad");
  EXPECT_EQ(Bus("bad").state, "backoff");
  EXPECT_TRUE(RunUntil([this] { return Bus("bad").state == "running"; })) << Word("bad");
  std::filesystem::remove(device);
}

// A virtual serial line (socat, ser2net) that is started again gets the old number, and with it the old inode number.
TEST_F(Confinement, APseudoTerminalThatCameBackUnderItsOldNumberGetsANewHost) {
  const auto open_line = [] {
    const int fd = ::posix_openpt(O_RDWR | O_NOCTTY);
    EXPECT_EQ(::grantpt(fd) + ::unlockpt(fd), 0);
    return std::pair{fd, std::string(::ptsname(fd))};
  };
  const auto [first, path] = open_line();
  StartFaulty({{"device", path}});
  ::close(first);
  std::vector<int> lines;
  for (bool back = false; !back && lines.size() < 64;) {
    const auto [line, name] = open_line();
    lines.push_back(line);
    back = name == path;
  }
  ASSERT_TRUE(Question({{"ask", "deed"}, {"in", "read"}, {"what", "throw"}}));
  EXPECT_TRUE(RunUntil([this] { return Bus("bad").reason.find("was plugged in again") != std::string::npos; }))
      << Word("bad");
  for (const int line : lines) ::close(line);
}

struct Deed {
  const char* in;
  const char* what;
  const char* reason;  // part of what the operator reads; empty: the bus goes on
};

class EveryEntryPoint : public Confinement, public ::testing::WithParamInterface<Deed> {
 protected:
  // A change of the configuration closes the bus, and opens it in a new host.
  void OpenAnew() {
    BusSettings bad = MakeBus("bad", "test_fault");
    bad.retries = 7;
    manager_->Reconfigure({std::move(bad), MakeBus("good")}, {MakeThing("t", "bad"), MakeThing("healthy", "good")});
  }
  bool asked_ = false;
};

TEST_P(EveryEntryPoint, CostsItsOwnBusOnly) {
  const auto [in, what, reason] = GetParam();
  if (kSanitized) GTEST_SKIP() << "a sanitizer answers these faults itself";
  StartFaulty(Json::object());
  std::string seen;
  bool named = *reason == '\0';
  const std::filesystem::path marker =
      std::filesystem::temp_directory_path() / ("penumbra-needs-" + std::to_string(::getpid()));
  if (std::string(in) == "needs") std::ofstream(marker) << "crash once\n";
  const Duration patience = std::string(in) + what == "askhang" ? Duration(500ms) : Duration(30s);
  manager_->Ask("bad", {{"ask", "deed"}, {"in", in}, {"what", what}, {"marker", marker.string()}}, patience,
                [this](const Result<OrderedJson>&) { asked_ = true; });
  if (std::string(in) == "write") {
    ASSERT_TRUE(RunUntil([this] { return asked_; }));  // a write goes before a question that waits
    manager_->Write("t", "temperature", Value(1.0), [](const Status&) {});
  }
  if (std::string(in) == "close") {
    ASSERT_TRUE(RunUntil([this] { return asked_; }));
    const int closed = Bus("bad").pid;
    ::testing::internal::CaptureStderr();
    OpenAnew();
    EXPECT_TRUE(RunUntil([&] { return Bus("bad").state == "running" && Bus("bad").pid != closed; })) << Word("bad");
    // The next host is there at once: what was wrong stands in the log.
    seen = ::testing::internal::GetCapturedStderr();
    named = seen.find("msg=\"" + std::string(reason) + '"') != std::string::npos;
  }
  ASSERT_TRUE(RunUntil([&] {
    const std::string word = Word("bad");
    if (seen.find(word) == std::string::npos) seen += word + "\n";
    named = named || word.find(reason) != std::string::npos;
    return named;
  })) << "wanted: "
      << reason << "\nseen:\n"
      << seen;
  const std::size_t before = GoodReadings("t");
  EXPECT_TRUE(RunUntil([&] { return GoodReadings("t") > before; })) << Word("bad");
  EXPECT_EQ(Bus("good").restarts, 0U);
  EXPECT_EQ(Bus("good").errors, 0U);
}

INSTANTIATE_TEST_SUITE_P(
    Faults, EveryEntryPoint,
    ::testing::Values(
        Deed{"read", "crash", "killed by SIGSEGV in read"}, Deed{"write", "crash", "killed by SIGSEGV in write"},
        Deed{"ask", "crash", "killed by SIGSEGV while it answered a question"},
        Deed{"open", "crash", "killed by SIGSEGV in open"}, Deed{"read", "exit", "exited 0 in read"},
        Deed{"open", "exit", "exited 0 in open"}, Deed{"write", "exit", "exited 0 in write"},
        Deed{"needs", "crash", "killed by SIGSEGV while it loaded the driver"},
        Deed{"close", "crash", "killed by SIGSEGV in close"}, Deed{"close", "abort", "killed by SIGABRT in close"},
        Deed{"close", "hang", "hung in close"}, Deed{"close", "block_signals", "hung in close"},
        Deed{"ask", "hang", "hung while it answered a question"}, Deed{"read", "block_signals", "hung in read"},
        Deed{"read", "leak_memory", "the driver has used up its memory (256 MiB)"},
        Deed{"open", "leak_memory", "the driver has used up its memory (256 MiB)"},
        Deed{"read", "leak_descriptors", "the driver leaks descriptors"}, Deed{"read", "threads", ""},
        Deed{"read", "fork", "killed by SIGABRT in read"}, Deed{"read", "overflow", "in read"},
        Deed{"read", "garbage", "sent garbage"}, Deed{"read", "close_socket", "closed its connection"},
        Deed{"read", "throw", ""}, Deed{"read", "flood", ""}),
    [](const ::testing::TestParamInfo<Deed>& test) { return std::string(test.param.in) + "_" + test.param.what; });

}  // namespace
}  // namespace penumbra::test
