// Reading the points of a thing through a line that answers as the test says: what is asked, what is learned, and what
// each point is told. Time stands still unless the test moves it.
#include "modbus/reader.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

namespace penumbra::modbus {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

// A device whose holding registers hold their own address.
class FakeLine : public Line {
 public:
  Outcome Exchange(const Request& request, const ThingOptions&, const Budget&) override {
    const Pdu& pdu = request.pdu;
    requests.push_back({pdu.At16(1), pdu.bytes[0] <= 4 ? pdu.At16(3) : std::uint16_t{0}});
    now_ns += request_takes_ns;
    if (cancel) return {.kind = Outcome::Kind::kCancelled};
    if (failure != nullptr) return {.kind = Outcome::Kind::kFailed, .reason = failure};
    const auto [address, count] = requests.back();
    if (silent.contains(address)) return {.kind = Outcome::Kind::kFailed, .reason = "timeout"};
    if (count > max_words) return {.kind = Outcome::Kind::kException, .exception = 3};
    for (int i = address; i < address + count; ++i) {
      if (holes.contains(i)) return {.kind = Outcome::Kind::kException, .exception = 2};
    }
    Outcome outcome{.kind = Outcome::Kind::kAnswer, .time_ns = now_ns};
    outcome.pdu.Add8(pdu.bytes[0]);
    outcome.pdu.Add8(static_cast<std::uint8_t>(count * 2));
    for (int i = 0; i < count; ++i) outcome.pdu.Add16(static_cast<std::uint16_t>(address + i));
    return outcome;
  }
  std::int64_t NowNs() override { return now_ns; }

  std::vector<std::pair<std::uint16_t, std::uint16_t>> requests;  // address and count
  std::set<int> holes, silent;
  int max_words = 125;
  const char* failure = nullptr;
  bool cancel = false;
  std::int64_t now_ns = kSecond;
  std::int64_t request_takes_ns = 0;
};

ThingOptions Holding(const std::vector<int>& addresses) {
  ThingOptions thing{.name = "unit"};
  for (const int address : addresses) {
    thing.points.push_back({.name = "p" + std::to_string(address), .address = static_cast<std::uint16_t>(address)});
  }
  return thing;
}

class ModbusReader : public testing::Test {
 protected:
  void Open(const ThingOptions& thing) {
    options_ = thing;
    reader_.emplace(thing, Costs{.request_ns = 2'000'000, .byte_ns = 80},
                    [this](const std::string& text) { log_.push_back(text); });
  }
  std::vector<PointResult> Read(std::int64_t limit_ns = 10 * kSecond) {
    std::vector<std::uint32_t> points(options_.points.size());
    std::iota(points.begin(), points.end(), 0u);
    std::vector<PointResult> results(points.size());
    line_.requests.clear();
    completed_ = reader_->Read(points, line_, {.deadline_ns = line_.now_ns + limit_ns}, results);
    return results;
  }
  std::string Reasons(const std::vector<PointResult>& results) {
    std::string text;
    for (std::size_t i = 0; i < results.size(); ++i) {
      text += results[i].reason != nullptr ? std::string(results[i].reason) + ";" : "ok;";
      if (results[i].reason != nullptr) continue;
      EXPECT_EQ(std::get<std::uint64_t>(results[i].value), options_.points[i].address);
    }
    return text;
  }

  FakeLine line_;
  ThingOptions options_;
  std::optional<ThingReader> reader_;
  std::vector<std::string> log_;
  bool completed_ = false;
};

TEST_F(ModbusReader, AConnectionFaultIsEveryPointsReasonAfterOneTry) {
  Open(Holding({0, 200, 400, 600}));
  line_.failure = "connection refused";
  EXPECT_EQ(Reasons(Read()), "connection refused;connection refused;connection refused;connection refused;");
  EXPECT_EQ(line_.requests.size(), 1u);
}

TEST_F(ModbusReader, AUnitThatDoesNotAnswerIsLeftAloneAfterTwoRequests) {
  Open(Holding({0, 200, 400, 600}));
  line_.failure = "timeout";
  EXPECT_EQ(Reasons(Read()), "timeout;timeout;timeout;timeout;");
  EXPECT_EQ(line_.requests.size(), 2u);
}

TEST_F(ModbusReader, ABlockThatIsNotAnsweredCostsOnlyItsOwnPoints) {
  Open(Holding({0, 200, 400}));
  line_.silent = {200};
  EXPECT_EQ(Reasons(Read()), "ok;timeout;ok;");
}

TEST_F(ModbusReader, CancellationEndsTheCallAtOnce) {
  Open(Holding({0, 200}));
  line_.cancel = true;
  Read();
  EXPECT_FALSE(completed_);
  EXPECT_EQ(line_.requests.size(), 1u);
}

TEST_F(ModbusReader, ARefusedRegisterIsFoundToldOnceAndReadApartFromThenOn) {
  Open(Holding({0, 1, 2, 3, 4, 5, 6, 7}));
  line_.holes = {5};
  EXPECT_EQ(Reasons(Read()), "ok;ok;ok;ok;ok;exception 2 (illegal data address);ok;ok;");
  ASSERT_EQ(log_.size(), 1u);
  EXPECT_EQ(log_[0],
            "unit: unit 1 refuses point p5 (holding 5): exception 2 (illegal data address); read apart from the "
            "others from now on");
  Reasons(Read());
  const std::size_t second = line_.requests.size();
  EXPECT_EQ(Reasons(Read()), "ok;ok;ok;ok;ok;exception 2 (illegal data address);ok;ok;");
  EXPECT_LE(line_.requests.size(), 2u) << "the hole costs no request of its own";
  EXPECT_LE(second, 4u);
  EXPECT_LE(log_.size(), 2u);
}

TEST_F(ModbusReader, ARefusedRegisterThatComesToLifeIsReadAgainWithinAMinute) {
  Open(Holding({0, 1, 2, 3}));
  line_.holes = {2};
  Read();
  line_.holes.clear();
  EXPECT_EQ(Reasons(Read()), "ok;ok;exception 2 (illegal data address);ok;");
  line_.now_ns += 61 * kSecond;
  EXPECT_EQ(Reasons(Read()), "ok;ok;ok;ok;");
  line_.now_ns += 2 * 3600 * kSecond;
  Read();
  EXPECT_EQ(Reasons(Read()), "ok;ok;ok;ok;");
  EXPECT_EQ(line_.requests.size(), 1u) << "and merged with the others as at first";
}

TEST_F(ModbusReader, WithAllPointsRefusedOneIsStillAskedForSoThatADeadUnitShows) {
  Open(Holding({0, 1}));
  line_.holes = {0, 1};
  EXPECT_EQ(Reasons(Read()), "exception 2 (illegal data address);exception 2 (illegal data address);");
  line_.failure = "timeout";
  EXPECT_EQ(Reasons(Read()).substr(0, 8), "timeout;");
}

TEST_F(ModbusReader, AHoleNoPointNeedsIsReadAroundWithoutLosingAnything) {
  Open(Holding({0, 1, 10, 11}));
  line_.holes = {5};
  EXPECT_EQ(Reasons(Read()), "ok;ok;ok;ok;");
  ASSERT_EQ(log_.size(), 1u);
  EXPECT_NE(log_[0].find("refuses holding 2-9"), std::string::npos) << log_[0];
  EXPECT_EQ(Reasons(Read()), "ok;ok;ok;ok;");
  EXPECT_EQ(line_.requests.size(), 2u);
}

TEST_F(ModbusReader, TheLargestRequestADeviceTakesIsLearned) {
  std::vector<int> addresses(100);
  std::iota(addresses.begin(), addresses.end(), 0);
  Open(Holding(addresses));
  line_.max_words = 16;
  const std::string all = Reasons(Read());
  EXPECT_EQ(all.find("exception"), std::string::npos);
  Read();
  EXPECT_LE(line_.requests.size(), 9u);
  for (const auto& [address, count] : line_.requests) EXPECT_LE(count, 16);
}

TEST_F(ModbusReader, WhatWasLearnedIsForgottenAfterAnHourAndFoundOutAgain) {
  Open(Holding({0, 10}));
  line_.holes = {5};
  Read();
  Read();
  EXPECT_EQ(line_.requests.size(), 2u);
  line_.holes.clear();
  line_.now_ns += 3601 * kSecond;
  Read();
  EXPECT_EQ(line_.requests.size(), 1u);
}

TEST_F(ModbusReader, WhenTheTimeIsUpTheRestSaysSoAndComesFirstNextTime) {
  Open(Holding({0, 200, 400, 600}));
  line_.request_takes_ns = kSecond;
  EXPECT_EQ(Reasons(Read(2 * kSecond)), "ok;ok;deadline;deadline;");
  EXPECT_EQ(Reasons(Read(2 * kSecond)), "deadline;deadline;ok;ok;");
}

TEST_F(ModbusReader, OtherExceptionsAreThePointsReasonAndNothingIsLearned) {
  class Failing : public FakeLine {
    Outcome Exchange(const Request&, const ThingOptions&, const Budget&) override {
      return {.kind = Outcome::Kind::kException, .exception = 4};
    }
  } failing;
  Open(Holding({0, 1}));
  std::vector<PointResult> results(2);
  const std::uint32_t points[] = {0, 1};
  EXPECT_TRUE(reader_->Read(points, failing, {.deadline_ns = 10 * kSecond}, results));
  EXPECT_STREQ(results[0].reason, "exception 4 (device failure)");
  EXPECT_TRUE(log_.empty());
}

}  // namespace
}  // namespace penumbra::modbus
