#include "app/reboot_command.hpp"

#include <gtest/gtest.h>

#include <optional>

#include "support/virtual_loop.hpp"

namespace penumbra {
namespace {

constexpr const char* kCommand = "/usr/bin/systemctl reboot";

TEST(RebootFailure, SaysPlainlyThatPolkitIsMissing) {
  const std::string reason = RebootFailure(kCommand, "exited 1", "Access denied\n", false);
  EXPECT_EQ(reason,
            "the machine cannot be rebooted: /usr/bin/systemctl reboot exited 1: Access denied; polkit is not "
            "installed, and without it the service may not reboot the machine (apt install polkitd)");
}

TEST(RebootFailure, DoesNotBlamePolkitWhenItIsThereOrWasNotAsked) {
  EXPECT_EQ(RebootFailure(kCommand, "exited 1", "", true),
            "the machine cannot be rebooted: /usr/bin/systemctl reboot exited 1");
  EXPECT_EQ(RebootFailure("/opt/reboot.sh now", "exited 3", "", false),
            "the machine cannot be rebooted: /opt/reboot.sh now exited 3");
}

TEST(RebootFailure, TellsTheCommandsOwnWordsInOneLineOfText) {
  EXPECT_EQ(RebootFailure("/x", "exited 1", "one\ntwo\t\xff\n\n", true),
            "the machine cannot be rebooted: /x exited 1: one; two??");
  EXPECT_LE(RebootFailure("/x", "exited 1", std::string(100'000, 'a'), true).size(), 400U);
}

using test::VirtualLoop;

class RebootCommandTest : public testing::Test {
 protected:
  // The reason for which `command` did not reboot the machine, or nullopt: none within the time.
  std::optional<std::string> Start(const std::string& command, std::chrono::milliseconds limit) {
    std::optional<std::string> reason;
    RebootCommand reboot(loop_);
    reboot.Start(command, [&reason](std::string why) { reason = std::move(why); });
    loop_.RunUntil([&reason] { return reason.has_value(); }, limit);
    return reason;
  }

 private:
  VirtualLoop loop_;
};

TEST_F(RebootCommandTest, IsToldAtOnceWhatCannotBeStarted) {
  EXPECT_NE(Start("/nowhere/reboot", std::chrono::seconds(60)).value_or("").find("/nowhere/reboot"), std::string::npos);
  EXPECT_NE(Start("  ", std::chrono::seconds(60)).value_or("").find("reboot_command is empty"), std::string::npos);
}

TEST_F(RebootCommandTest, IsToldWhatTheCommandWrote) {
  const std::string reason = Start("/bin/ls /nowhere/at-all", std::chrono::seconds(60)).value_or("");
  EXPECT_NE(reason.find("/bin/ls /nowhere/at-all exited 2: "), std::string::npos) << reason;
  EXPECT_NE(reason.find("No such file"), std::string::npos) << reason;
}

TEST_F(RebootCommandTest, IsNotHeldUpByACommandThatWritesALot) {
  // `yes` never ends by itself: a full pipe is an error to it, which is then the reason.
  const std::string reason = Start("/usr/bin/yes rebooting", std::chrono::seconds(60)).value_or("");
  EXPECT_NE(reason.find("exited 1: rebooting; rebooting; "), std::string::npos) << reason;
}

TEST_F(RebootCommandTest, WaitsForTheMachineWhenTheCommandSucceeded) {
  EXPECT_EQ(Start("/bin/true", std::chrono::milliseconds(200)), std::nullopt);
}

}  // namespace
}  // namespace penumbra
