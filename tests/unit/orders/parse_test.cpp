#include "orders/parse.hpp"

#include <gmock/gmock.h>

namespace penumbra::orders {
namespace {

using testing::HasSubstr;

TEST(ParseOrder, ReadsWhatTheContractNames) {
  const Request reboot = ParseCommand(R"({"action":"reboot"})");
  EXPECT_EQ(reboot.fault, "");
  EXPECT_EQ(reboot.action, "reboot");
  EXPECT_EQ(reboot.id, "");
  const Request update = ParseCommand(
      R"({"action":"update_config","config":{"sample_interval":5},"id":"a","ttl":"30s","timestamp":1763841600})");
  EXPECT_EQ(update.fault, "");
  EXPECT_EQ(update.arguments["sample_interval"], 5);
  EXPECT_EQ(update.asked_ms, 1'763'841'600'000) << "seconds are taken for what they are";
  EXPECT_EQ(update.ttl_ms, 30'000);
}

TEST(ParseOrder, NamesWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "not JSON"},
      {"[]", "not a JSON object"},
      {"{}", "action is missing"},
      {R"({"action":7})", "action is not a string"},
      {R"({"action":""})", "action is not a string of"},
      {R"({"action":"REBOOT"})", "unknown action 'REBOOT'"},
      {R"({"action":"ping","id":""})", "id is not a string of"},
      {R"({"action":"ping","id":null})", "id is not a string of"},
      {R"({"action":"ping","ttl":"soon"})", "ttl"},
      {R"({"action":"ping","ttl":-1})", "ttl"},
      {R"({"action":"ping","ttl":"8d"})", "ttl"},
      {R"({"action":"ping","timestamp":"now"})", "timestamp"},
      {R"({"action":"ping","timestamp":-5})", "timestamp"},
      {R"({"action":"ping","timestamp":1e300})", "timestamp"},
      {R"({"action":"update_config"})", "needs \"config\""},
      {R"({"action":"update_config","config":[]})", "needs \"config\""},
      {R"({"action":"update_config","config":{}})", "needs \"config\""},
      {R"({"action":"set","values":{"a":null}})", "values.a is null"},
      {R"({"action":"set","values":{"sample_interval":1}})", "use update_config"},
  };
  for (const auto& [payload, fault] : cases) EXPECT_THAT(ParseCommand(payload).fault, HasSubstr(fault)) << payload;
  EXPECT_THAT(ParseCommand("{\"action\":\"" + std::string(kMaxPayloadBytes, 'x') + "\"}").fault, HasSubstr("longer"));
  EXPECT_EQ(ParseCommand("{\"action\":\"a\\nb\"}").fault.find('\n'), std::string::npos) << "answers stay one line";
}

TEST(ParseOrder, KeepsIdAndActionOfWhatIsRejectedForTheAnswer) {
  const Request request = ParseCommand(R"({"id":"x","action":"update_config","config":1})");
  EXPECT_NE(request.fault, "");
  EXPECT_EQ(request.id, "x");
  EXPECT_EQ(request.action, "update_config");
}

TEST(ParseJobDocument, TakesOurWordsAndAwsManagedReboot) {
  EXPECT_EQ(ParseJobDocument(Json::parse(R"({"operation":"reboot"})")).action, "reboot");
  EXPECT_EQ(ParseJobDocument(Json::parse(R"({"action":"ping","id":"ignored"})")).id, "");
  const Request managed = ParseJobDocument(Json::parse(
      R"({"version":"1.0","steps":[{"action":{"name":"Reboot","type":"runHandler","input":{"handler":"reboot.sh"}}}]})"));
  EXPECT_EQ(managed.fault, "");
  EXPECT_EQ(managed.action, "reboot");
}

TEST(ParseJobDocument, RunsNobodysPrograms) {
  for (const char* document :
       {R"({"version":"1.0","steps":[{"action":{"name":"x","type":"runCommand","input":{"command":"rm,-rf,/"}}}]})",
        R"({"version":"1.0","steps":[{"action":{"name":"x","type":"runHandler","input":{"handler":"../reboot.sh"}}}]})",
        R"({"version":"1.0","steps":[]})", R"({"version":"1.0","steps":[{},{}]})", R"({"steps":7})",
        R"({"version":"1.0","steps":[{"action":7}]})", R"({"version":"1.0","steps":[7]})", R"([])", R"({})"}) {
    const Request request = ParseJobDocument(Json::parse(document));
    EXPECT_NE(request.fault, "") << document;
  }
}

}  // namespace
}  // namespace penumbra::orders
