#include "cli/options.hpp"

#include <gmock/gmock.h>

namespace penumbra::cli {
namespace {

using testing::HasSubstr;

std::string Complaint(const std::vector<std::string>& arguments) {
  const auto parsed = ParseCommandLine(arguments);
  return parsed ? "accepted" : parsed.error().message;
}

TEST(CommandLine, SuggestsTheVerbAndTheOptionThatWereMeant) {
  EXPECT_THAT(Complaint({"staus"}), HasSubstr("did you mean \"status\"?"));
  EXPECT_THAT(Complaint({"status", "--jsn"}), HasSubstr("did you mean \"--json\"?"));
  EXPECT_THAT(Complaint({"xyzzy"}), HasSubstr("penumbra --help"));
}

TEST(CommandLine, RefusesWhatWouldMeanNothing) {
  EXPECT_THAT(Complaint({}), HasSubstr("--help"));
  EXPECT_THAT(Complaint({"status", "--follow"}), HasSubstr("status knows no --follow"));
  EXPECT_THAT(Complaint({"readings"}), HasSubstr("usage: penumbra readings THING"));
  EXPECT_THAT(Complaint({"status", "now"}), HasSubstr("usage: penumbra status"));
  EXPECT_THAT(Complaint({"readings", "t", "--since", "1"}), HasSubstr("is not a duration"));
  EXPECT_THAT(Complaint({"readings", "t", "--limit", "0"}), HasSubstr("whole number above 0"));
  EXPECT_THAT(Complaint({"readings", "t", "--limit", "-1"}), testing::Ne("accepted"));
  EXPECT_NE(Complaint({"status", "--socket"}), "accepted");
  EXPECT_THAT(Complaint({"provision", "t", "--parameter", "serial"}), HasSubstr("is not KEY=VALUE"));
  EXPECT_THAT(Complaint({"status", "--claim", "x"}), HasSubstr("status knows no --claim"));
}

TEST(CommandLine, DoesNotGuessAbbreviatedOptions) {
  EXPECT_NE(Complaint({"status", "--js"}), "accepted");
}

TEST(CommandLine, TakesGlobalOptionsBeforeAndAfterTheVerb) {
  const auto parsed = ParseCommandLine({"--config", "a.toml", "readings", "sensor-001", "--since=1h", "--limit", "5",
                                        "-f", "--json", "--no-color", "--socket", "/tmp/s"});
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->verb, "readings");
  EXPECT_EQ(parsed->words, std::vector<std::string>{"sensor-001"});
  EXPECT_EQ(parsed->config, "a.toml");
  EXPECT_EQ(parsed->socket, "/tmp/s");
  EXPECT_EQ(parsed->since, std::chrono::hours(1));
  EXPECT_EQ(parsed->limit, 5u);
  EXPECT_TRUE(parsed->follow && parsed->json && parsed->no_color);
}

TEST(CommandLine, UnderstandsTheWaysToAskForHelpAndVersion) {
  EXPECT_EQ(ParseCommandLine({"--help"})->verb, "help");
  EXPECT_EQ(ParseCommandLine({"--version"})->verb, "version");
  const auto verb_help = ParseCommandLine({"readings", "--help"});
  ASSERT_TRUE(verb_help);
  EXPECT_TRUE(verb_help->help);
  EXPECT_EQ(verb_help->verb, "readings");
}

TEST(CommandLine, HelpNamesEveryVerbAndTheVerbsOwnOptions) {
  for (const Verb& verb : Verbs()) EXPECT_THAT(GeneralHelp(), HasSubstr(std::string(verb.name)));
  EXPECT_THAT(VerbHelp(*FindVerb("readings")), HasSubstr("--follow"));
  EXPECT_THAT(VerbHelp(*FindVerb("status")), testing::Not(HasSubstr("--follow")));
}

TEST(Assignments, RefuseWhatIsNeitherAPairNorAnObject) {
  for (const char* word : {"", "setpoint", "=5", "{", "{\"a\":1", "{}x"}) EXPECT_FALSE(ReadAssignments({word})) << word;
}

TEST(Assignments, TakePairsAndObjectsAndKeepTextThatIsNotJson) {
  EXPECT_EQ(ReadAssignments({"a=21.5", "b=on", "c=null", "d=", "e=x=y", R"(f={"g":[1]})"}).value(),
            Json::parse(R"({"a":21.5,"b":"on","c":null,"d":"","e":"x=y","f":{"g":[1]}})"));
  EXPECT_EQ(ReadAssignments({R"({"a":1,"b":2})", "a=3"}).value(), Json::parse(R"({"a":3,"b":2})"));
}

TEST(CommandLine, TheShadowVerbTakesAName) {
  EXPECT_FALSE(ParseCommandLine({"shadow", "get"}));
  EXPECT_FALSE(ParseCommandLine({"status", "--name", "x"}));
  const auto set = ParseCommandLine({"shadow", "set", "hall", "setpoint=21", "--name", "config"});
  ASSERT_TRUE(set);
  EXPECT_EQ(set->words, (std::vector<std::string>{"set", "hall", "setpoint=21"}));
  EXPECT_EQ(set->name, "config");
}

TEST(CommandLine, SplitsAPointAtTheFirstDot) {
  EXPECT_FALSE(SplitPoint("sensor-001"));
  EXPECT_FALSE(SplitPoint(".temperature"));
  EXPECT_FALSE(SplitPoint("sensor-001."));
  EXPECT_EQ(SplitPoint("s:1_a-b.temp.x"), (std::pair<std::string, std::string>("s:1_a-b", "temp.x")));
}

}  // namespace
}  // namespace penumbra::cli
