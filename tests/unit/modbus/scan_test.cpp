// The questions "scan" and "read", asked of a line that answers as the test says; and everything that registers can
// mean.
#include "modbus/scan.hpp"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "modbus/meanings.hpp"

namespace penumbra::modbus {
namespace {

using Json = nlohmann::json;

// Units with input registers; the others are silent for 200 ms.
class Units : public Line {
 public:
  Outcome Exchange(const Request& request, const ThingOptions& thing, const Budget&) override {
    const Pdu& pdu = request.pdu;
    functions.insert(pdu.bytes[0]);
    EXPECT_EQ(thing.retries, 0U) << "nobody waits twice for a unit that is perhaps not there";
    asked.push_back(request.unit);
    now_ns += 5'000'000;
    if (failure != nullptr) return {.kind = Outcome::Kind::kFailed, .reason = failure};
    if (exception != 0) return {.kind = Outcome::Kind::kException, .exception = exception};
    const auto unit = units.find(request.unit);
    if (unit == units.end() || pdu.bytes[0] != 4) {
      now_ns += 200'000'000;
      return {.kind = Outcome::Kind::kFailed, .reason = "timeout"};
    }
    const std::uint16_t address = pdu.At16(1), count = pdu.At16(3);
    Outcome outcome{.kind = Outcome::Kind::kAnswer, .time_ns = now_ns};
    outcome.pdu.Add8(4);
    outcome.pdu.Add8(static_cast<std::uint8_t>(count * 2));
    for (int i = address; i < address + count; ++i) {
      const auto word = unit->second.find(i);
      if (word == unit->second.end()) return {.kind = Outcome::Kind::kException, .exception = 2, .time_ns = now_ns};
      outcome.pdu.Add16(static_cast<std::uint16_t>(word->second));
    }
    return outcome;
  }
  std::int64_t NowNs() override { return now_ns; }

  std::map<int, std::map<int, int>> units;
  std::vector<int> asked;
  std::set<int> functions;
  const char* failure = nullptr;
  std::uint8_t exception = 0;
  std::int64_t now_ns = 1'000'000'000;
};

class ModbusScan : public testing::Test {
 protected:
  ModbusScan() {
    configuration.things.push_back({.name = "hall"});
    configuration.things.back().unit = 3;
  }
  Asked Ask(const char* question) {
    const auto say = [this](const std::string& json) { said.push_back(Json::parse(json)); };
    const Json json = Json::parse(question);
    return json["ask"] == "scan" ? Scan(json, configuration, line, {}, say)
                                 : ReadRaw(json, configuration, line, {}, say);
  }

  Configuration configuration;
  Units line;
  std::vector<Json> said;
};

TEST_F(ModbusScan, RefusesWhatMakesNoSense) {
  for (const char* question :
       {R"({"ask":"scan","from":0,"to":300})", R"({"ask":"scan","from":9,"to":8})", R"({"ask":"scan","from":"x"})",
        R"({"ask":"scan","timeout_ms":1})", R"({"ask":"read"})", R"({"ask":"read","unit":300})",
        R"({"ask":"read","unit":1,"table":"coil","address":1})", R"({"ask":"read","unit":1})",
        R"({"ask":"read","unit":1,"address":70000})", R"({"ask":"read","unit":1,"address":1,"count":17})",
        R"({"ask":"read","unit":1,"address":1,"guess":"warm"})", R"({"ask":"read","unit":1,"reads":[]})",
        R"({"ask":"read","unit":1,"reads":[3]})", R"({"ask":"read","unit":1,"reads":[{"address":1,"type":"s17"}]})"}) {
    const Asked asked = Ask(question);
    EXPECT_EQ(asked.status, Asked::Status::kBadQuestion) << question;
    EXPECT_NE(asked.error, "") << question;
  }
  EXPECT_TRUE(line.asked.empty());
}

TEST_F(ModbusScan, FindsUnitsByAnyAnswerAndNeverWrites) {
  line.units[3] = {{0, 225}};
  line.units[7] = {{100, 1}};
  EXPECT_EQ(Ask(R"({"ask":"scan","from":3,"to":8})").status, Asked::Status::kDone);
  ASSERT_EQ(said.size(), 2U);
  EXPECT_EQ(said[0]["unit"], 3);
  EXPECT_EQ(said[0]["reply"], "input 0 is 225");
  EXPECT_EQ(said[0]["thing"], "hall");
  EXPECT_EQ(said[1]["unit"], 7);
  EXPECT_EQ(said[1]["reply"], "exception 2 (illegal data address)");
  EXPECT_TRUE(said[1]["thing"].is_null());
  EXPECT_EQ(line.functions, (std::set<int>{3, 4}));
}

TEST_F(ModbusScan, GivesTheBusBackAfterASliceAndSaysWhereToGoOn) {
  Ask(R"({"ask":"scan","from":10,"to":247})");
  ASSERT_EQ(said.size(), 1U);
  EXPECT_EQ(said[0]["answer"], "next");
  const int next = said[0]["next"]["from"];
  EXPECT_GT(next, 10);
  EXPECT_LT(next, 20);
  EXPECT_EQ(line.asked.back(), next - 1);
}

TEST_F(ModbusScan, AGatewayThatReachesNobodyIsNoUnit) {
  line.exception = 11;
  Ask(R"({"ask":"scan","from":1,"to":3})");
  EXPECT_TRUE(said.empty());
  EXPECT_EQ(line.asked.size(), 3U);
}

TEST_F(ModbusScan, WithoutALineItEndsAtOnce) {
  line.failure = "connection refused";
  const Asked asked = Ask(R"({"ask":"scan"})");
  EXPECT_EQ(asked.status, Asked::Status::kNoLine);
  EXPECT_EQ(line.asked.size(), 1U);
}

TEST_F(ModbusScan, TwoUnitsOfOneAddressShowAsDamage) {
  line.failure = "bad CRC";
  Ask(R"({"ask":"scan","from":1,"to":1})");
  ASSERT_EQ(said.size(), 1U);
  EXPECT_EQ(said[0]["reply"], "something answers, but wrongly: bad CRC");
}

TEST_F(ModbusScan, ReadsPlacesAsPointsAreRead) {
  line.units[5] = {{1, 0xFF33}, {2, 512}, {10, 0x4366}, {11, 0x3334}, {20, 0x7FC0}, {21, 0}};
  EXPECT_EQ(Ask(R"({"ask":"read","unit":5,"reads":[{"table":"input","address":1,"type":"s16"},{"address":"30003"},
                {"table":"input","address":10,"type":"f32"},{"table":"input","address":50},
                {"table":"input","address":20,"type":"f32"},{"table":"input","address":1,"type":"s16"}]})")
                .status,
            Asked::Status::kDone);
  ASSERT_EQ(said.size(), 6U);
  EXPECT_EQ(said[0]["value"], -205);
  EXPECT_EQ(said[1]["value"], 512);
  EXPECT_DOUBLE_EQ(said[2]["value"].get<double>(), 230.20001);
  EXPECT_EQ(said[3]["reason"], "exception 2 (illegal data address)");
  EXPECT_EQ(said[4]["reason"], "not a number");
  EXPECT_EQ(said[5]["index"], 5);
}

TEST_F(ModbusScan, ASilentUnitIsAskedOnce) {
  Ask(R"({"ask":"read","unit":9,"reads":[{"table":"input","address":1},{"table":"input","address":2}]})");
  EXPECT_EQ(said.size(), 2U);
  EXPECT_EQ(line.asked.size(), 1U);
}

TEST_F(ModbusScan, AGuessPutsTheRightMeaningFirst) {
  line.units[5] = {{1, 225}, {2, 512}};
  Ask(R"({"ask":"read","unit":5,"table":"input","address":1,"guess":22.5})");
  ASSERT_GT(said.size(), 2U);
  EXPECT_EQ(said[0]["words"], (Json{"00E1", "0200"}));
  EXPECT_EQ(said[1]["type"], "u16");
  EXPECT_DOUBLE_EQ(said[1]["scale"].get<double>(), 0.1);
  EXPECT_DOUBLE_EQ(said[1]["value"].get<double>(), 22.5);
  EXPECT_LE(said.size(), kMaxDecodes + 1);
}

TEST_F(ModbusScan, TheLastRegisterIsReadByItself) {
  line.units[5] = {{7, 99}};
  Ask(R"({"ask":"read","unit":5,"table":"input","address":7})");
  ASSERT_FALSE(said.empty());
  EXPECT_EQ(said[0]["words"], (Json{"0063"}));
  const Asked refused = Ask(R"({"ask":"read","unit":5,"table":"input","address":7,"count":2})");
  EXPECT_EQ(refused.status, Asked::Status::kRefused);
}

TEST(ModbusMeanings, FindsAFloatInEitherWordOrder) {
  const std::vector<std::uint16_t> high_first{0x4366, 0x3334}, low_first{0x3334, 0x4366};
  const Meaning first = MeaningsOf(high_first, 230).front();
  EXPECT_EQ(first.encoding.type, Type::kF32);
  EXPECT_EQ(first.encoding.order, Order::kAbcd);
  EXPECT_EQ(MeaningsOf(low_first, 230).front().encoding.order, Order::kCdab);
}

TEST(ModbusMeanings, OfNotANumberThereIsNone) {
  for (const Meaning& meaning : MeaningsOf(std::vector<std::uint16_t>{0x7FC0, 0, 0xFFFF, 0xFFFF}, std::nullopt)) {
    EXPECT_TRUE(std::isfinite(meaning.value));
    EXPECT_EQ(meaning.scale, 1);
  }
}

}  // namespace
}  // namespace penumbra::modbus
