// The conformance check finds what is wrong and nothing else; and what `driver new` writes is a driver.
#include <gmock/gmock.h>

#include <csignal>
#include <fstream>

#include "cli/driver_verbs.hpp"
#include "driver_rig.hpp"

namespace penumbra::test {
namespace {

using cli::Finding;
using ::testing::Contains;
using ::testing::HasSubstr;

// A driver that hangs up on the device that is played for it is no reason to die, as the tool has it.
std::vector<Finding> Check(const std::string& file, const Json& configuration) {
  std::signal(SIGPIPE, SIG_IGN);
  return cli::CheckDriver(TestPaths(), file, configuration);
}

std::vector<std::string> FindingsOf(const std::string& driver, const Json& configuration = Json()) {
  std::vector<std::string> texts;
  for (const Finding& finding : Check(std::string(DRIVERS_FOLDER) + "/" + driver + ".so", configuration)) {
    if (!finding.skipped && !finding.text.empty()) texts.push_back(finding.examination + ": " + finding.text);
  }
  return texts;
}

TEST(DriverCheck, FindsEachMistakeOfASloppyDriver) {
  const auto findings = FindingsOf("test_sloppy");
  for (const char* text :
       {"abi: it calls itself \"sloppy\" but its file is test_sloppy.so",
        "abi: it offers itself to a host that speaks only", "abi: it does not say what it needs",
        "schemas: bus: additionalProperties is not false", "schemas: bus key speed: it has no description",
        "schemas: bus key speed: its default is out of its range", "open: read writes beyond the values",
        "open: point 0 of thing 0 is good or uncertain without a value", "open: it changes how signals are handled",
        "open: descriptors are left open after close", "descriptors are left after", "KiB of memory are left after",
        "deadline: read returns", "cancel: read returns only", "options: configuration '{': open takes it"}) {
    EXPECT_THAT(findings, Contains(HasSubstr(text)));
  }
}

// Which examinations were not made.
std::vector<std::string> SkippedOf(const std::string& driver) {
  std::vector<std::string> names;
  for (const Finding& finding : Check(std::string(PRODUCT_DRIVERS) + "/" + driver, Json())) {
    EXPECT_TRUE(finding.skipped || finding.text.empty()) << finding.examination << ": " << finding.text;
    if (finding.skipped) names.push_back(finding.examination);
  }
  return names;
}

TEST(DriverCheck, WithoutAConfigurationABusIsPlayedForADriverThatCanHaveOne) {
  EXPECT_THAT(SkippedOf("modbus.so"), testing::IsEmpty());
}

TEST(DriverCheck, WhatNeedsABusThatNobodyHasIsNoFindingButSaid) {
  if (std::filesystem::exists("/dev/i2c-1")) GTEST_SKIP() << "this machine has the bus that the schema suggests";
  EXPECT_THAT(SkippedOf("sht3x.so"),
              testing::ElementsAre("open", "leaks", "deadline", "cancel", "indexes", "write", "ask", "garbage"));
}

TEST(DriverCheck, FindsEachMistakeOfACarelessDriver) {
  const auto findings = FindingsOf("test_careless");
  for (const char* text :
       {"needs: it needs the unknown kind 9", "needs: it needs a file or device without a path",
        "open: a second open answers the bus of the first", "open: a thread still runs after close",
        "open: it changes which signals are blocked", "open: it changes the working folder",
        "open: it changes the locale of the process", "open: it changes the umask",
        "cancel: read takes from its cancel descriptor", "indexes: reading point 0 of thing 1, which is not configured",
        "write: write takes a value that is none", "write: write takes a point that is not configured",
        "ask: the question '[' is answered", "ask: an answer is no JSON object",
        "ask: an answer comes from another thread than that of the call", "options: configuration '{': open takes it",
        "garbage: serial line: 200 of 200 values are good"}) {
    EXPECT_THAT(findings, Contains(HasSubstr(text)));
  }
}

TEST(DriverCheck, ACrashIsAFinding) {
  const auto findings = FindingsOf(
      "test_hostile", {{"bus", {{"deed", "wild_text"}}}, {"things", {{{"name", "t"}, {"points", {{{"name", "p"}}}}}}}});
  EXPECT_THAT(findings, Contains(HasSubstr("open: fails: killed by SIGSEGV")));
}

TEST(DriverCheck, WhatIsNoDriverIsSaid) {
  EXPECT_THAT(FindingsOf("test_no_entry"), ::testing::ElementsAre(HasSubstr("does not export penumbra_driver_entry")));
}

TEST(DriverCheck, OurOwnDriversPass) {
  EXPECT_THAT(FindingsOf("sim"), ::testing::IsEmpty());
}

}  // namespace
}  // namespace penumbra::test
