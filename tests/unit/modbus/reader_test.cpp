// Reading the points of a thing through a line that answers as the test says: what is asked, what is learned, and what
// each point is told. Time stands still unless the test moves it.
#include "modbus/reader.hpp"

#include <gtest/gtest.h>

#include <map>
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
    if (failure != nullptr) return {.kind = Outcome::Kind::kFailed, .reason = failure, .waited = waited};
    const auto [address, count] = requests.back();
    if (silent.contains(address)) return {.kind = Outcome::Kind::kFailed, .reason = "timeout"};
    if (pdu.bytes[0] > 4) return Written(pdu);
    for (const int seam : seams) {
      if (address < seam && address + count > seam) return {.kind = Outcome::Kind::kException, .exception = 2};
    }
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

  // Function and address of each write; refuses the functions in `no_function`.
  Outcome Written(const Pdu& pdu) {
    writes.push_back({pdu.bytes[0], pdu.At16(1)});
    if (no_function.contains(pdu.bytes[0])) return {.kind = Outcome::Kind::kException, .exception = 1};
    const std::size_t count = pdu.bytes[0] == 16 ? pdu.At16(3) : 1;
    for (std::size_t i = 0; i < count; ++i)
      memory[pdu.At16(1) + static_cast<int>(i)] = pdu.At16((count > 1 || pdu.bytes[0] == 16 ? 6 : 3) + 2 * i);
    return {.kind = Outcome::Kind::kAnswer, .time_ns = now_ns};
  }

  std::vector<std::pair<std::uint16_t, std::uint16_t>> requests;  // address and count
  std::vector<std::pair<int, int>> writes;
  std::map<int, int> memory;
  std::set<int> no_function;
  std::set<int> holes, silent, seams;
  int max_words = 125;
  const char* failure = nullptr;
  bool waited = false;
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
                    ReaderHooks{.log = [this](const std::string& text) { log_.push_back(text); },
                                .keep = [this](const Learned& learned) { kept_ = ToJson(learned); },
                                .unix_s = [this] { return unix_s_; }},
                    kept_.empty() ? std::nullopt : LearnedFromJson(kept_));
  }
  // As after a restart of the gateway: only what was kept is known.
  void Reopen() { Open(ThingOptions(options_)); }
  void Pass(std::int64_t seconds) {
    line_.now_ns += seconds * kSecond;
    unix_s_ += seconds;
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
  std::string kept_;
  std::int64_t unix_s_ = 1'800'000'000;
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

TEST_F(ModbusReader, AUnitIsSilentWhenItMadeUsWaitAndGaveNothingValid) {
  Open(Holding({0, 200}));
  line_.failure = "incomplete reply";
  line_.waited = true;
  Read();
  EXPECT_TRUE(reader_->silent());
  line_.waited = false;  // damage that comes at once costs the others nothing
  Read();
  EXPECT_FALSE(reader_->silent());
  line_.failure = nullptr;
  line_.holes = {0, 200};  // "no" is an answer
  Read();
  EXPECT_FALSE(reader_->silent());
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
  EXPECT_EQ(Reasons(Read()), "ok;ok;ok;ok;ok;exception 2 (illegal data address);ok;ok;");
  EXPECT_EQ(line_.requests.size(), 2u) << "the hole costs no request of its own";
  EXPECT_EQ(log_.size(), 1u);
}

TEST_F(ModbusReader, ARefusedRegisterThatComesToLifeIsReadAgainWithinAMinute) {
  Open(Holding({0, 1, 2, 3}));
  line_.holes = {2};
  Read();
  line_.holes.clear();
  EXPECT_EQ(Reasons(Read()), "ok;ok;exception 2 (illegal data address);ok;");
  line_.now_ns += 61 * kSecond;
  EXPECT_EQ(Reasons(Read()), "ok;ok;ok;ok;");
  EXPECT_EQ(Reasons(Read()), "ok;ok;ok;ok;");
  EXPECT_EQ(line_.requests.size(), 1u) << "and merged with the others as at first";
}

// A device that restarts, or whose program is stopped, may refuse for a moment what it has always answered.
TEST_F(ModbusReader, ARegisterThatUsedToAnswerIsAskedForAgainWithinSeconds) {
  Open(Holding({0, 1, 2, 3}));
  Read();
  line_.holes = {2};
  EXPECT_EQ(Reasons(Read()), "ok;ok;exception 2 (illegal data address);ok;");
  line_.holes.clear();
  line_.now_ns += 6 * kSecond;
  EXPECT_EQ(Reasons(Read()), "ok;ok;ok;ok;");
}

TEST_F(ModbusReader, ARegisterThatUsedToAnswerIsBackWithinFiveMinutesHoweverLongItWasRefused) {
  Open(Holding({0, 1}));
  Read();
  line_.holes = {1};
  for (int minute = 0; minute < 12 * 60; ++minute, line_.now_ns += 60 * kSecond) Read();
  line_.holes.clear();
  line_.now_ns += 5 * 60 * kSecond;
  EXPECT_EQ(Reasons(Read()), "ok;ok;");
}

TEST_F(ModbusReader, WhenOneThatUsedToAnswerDoesAgainTheOthersAreAskedForAtOnce) {
  Open(Holding({0, 1, 2}));
  Read();
  line_.holes = {0, 1, 2};
  for (int minute = 0; minute < 60; ++minute, line_.now_ns += 60 * kSecond) Read();
  line_.holes.clear();
  EXPECT_EQ(Reasons(Read()), "ok;ok;ok;");
}

TEST_F(ModbusReader, ARefusalThatIsRememberedOverARestartIsTestedWithinAMinute) {
  Open(Holding({0, 1, 2, 3}));
  line_.holes = {2};
  Read();
  Reopen();
  line_.holes.clear();
  Read();
  line_.now_ns += 61 * kSecond;
  EXPECT_EQ(Reasons(Read()), "ok;ok;ok;ok;");
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
  EXPECT_EQ(log_[0],
            "unit: unit 1 refuses holding 2-9 (which no point needs): exception 2 (illegal data address); read around "
            "it from now on");
  EXPECT_EQ(Reasons(Read()), "ok;ok;ok;ok;");
  EXPECT_EQ(line_.requests.size(), 2u);
}

std::vector<int> Sequence(int first, int count) {
  std::vector<int> addresses(static_cast<std::size_t>(count));
  std::iota(addresses.begin(), addresses.end(), first);
  return addresses;
}

TEST_F(ModbusReader, TheLargestRequestADeviceTakesIsLearnedExactly) {
  for (const int most : {1, 7, 16, 59, 99, 124}) {
    kept_.clear();
    log_.clear();
    Open(Holding(Sequence(0, 125)));
    line_.max_words = most;
    EXPECT_EQ(Reasons(Read()).find("exception"), std::string::npos) << most;
    Read();
    EXPECT_LE(line_.requests.size(), static_cast<std::size_t>((125 + most - 1) / most) + 1) << most;
    EXPECT_EQ(reader_->learned().max_words, most);
    ASSERT_EQ(log_.size(), 1u) << most;
    EXPECT_NE(log_[0].find("at most " + std::to_string(most) + " registers"), std::string::npos) << log_[0];
  }
}

TEST_F(ModbusReader, ALongBlockThatIsRefusedForItsLengthIsNotBlamedOnItsHole) {
  std::vector<int> addresses = Sequence(0, 10);
  for (const int address : Sequence(14, 10)) addresses.push_back(address);
  Open(Holding(addresses));
  line_.max_words = 16;
  EXPECT_EQ(Reasons(Read()).find("exception"), std::string::npos);
  EXPECT_TRUE(reader_->learned().holes.empty());
  EXPECT_EQ(reader_->learned().max_words, 16);
}

TEST_F(ModbusReader, ASeamBetweenTheModulesOfADeviceIsNotTakenForALimit) {
  Open(Holding(Sequence(60, 90)));
  line_.seams = {100};
  for (int poll = 0; poll < 4; ++poll) EXPECT_EQ(Reasons(Read()).find("exception"), std::string::npos);
  const Learned learned = reader_->learned();
  EXPECT_FALSE(learned.max_words.has_value());
  ASSERT_EQ(learned.seams.size(), 1u);
  EXPECT_EQ(learned.seams[0].before, 100u);
  Read();
  EXPECT_EQ(line_.requests.size(), 2u);
}

TEST_F(ModbusReader, RefusedNeighboursAreOneLineWithTheirNames) {
  Open(Holding(Sequence(0, 40)));
  line_.holes = {5, 6, 7, 20};
  Read();
  ASSERT_EQ(log_.size(), 2u);
  EXPECT_NE(log_[0].find("refuses points p5, p6, p7 (holding 5-7): exception 2"), std::string::npos) << log_[0];
  EXPECT_NE(log_[1].find("refuses point p20 (holding 20)"), std::string::npos) << log_[1];
}

TEST_F(ModbusReader, AfterARestartItBeginsWithWhatWasLearned) {
  std::vector<int> addresses = Sequence(0, 60);
  for (const int address : Sequence(70, 10)) addresses.push_back(address);
  Open(Holding(addresses));
  line_.holes = {3, 65, 77};
  line_.max_words = 16;
  Read();
  Read();
  const auto asked = line_.requests;
  log_.clear();
  Reopen();
  Read();
  EXPECT_EQ(line_.requests, asked) << "no request is refused any more, the first poll included";
  EXPECT_TRUE(log_.empty()) << log_[0];
}

TEST_F(ModbusReader, WhatWasLearnedIsTestedADayLaterOneRequestAPollWithoutLosingAny) {
  Open(Holding({0, 10}));
  line_.holes = {5};
  Read();
  Read();
  EXPECT_EQ(line_.requests.size(), 2u);
  Pass(24 * 3600 + 1);
  EXPECT_EQ(Reasons(Read()), "ok;ok;");
  EXPECT_EQ(line_.requests.size(), 3u) << "the hole is asked for by itself";
  EXPECT_EQ(log_.size(), 1u) << "and nothing is told when it is still there";
  line_.holes.clear();
  Pass(24 * 3600 + 1);
  Read();
  EXPECT_EQ(Reasons(Read()), "ok;ok;");
  EXPECT_EQ(line_.requests.size(), 1u);
  EXPECT_EQ(log_.size(), 2u);
  EXPECT_TRUE(reader_->learned().empty());
}

TEST_F(ModbusReader, ALimitThatADeviceNoLongerHasIsLiftedADayLater) {
  Open(Holding(Sequence(0, 60)));
  line_.max_words = 16;
  Read();
  Read();
  line_.max_words = 125;
  Pass(24 * 3600 + 1);
  for (int poll = 0; poll < 3; ++poll) Read();
  EXPECT_EQ(line_.requests.size(), 1u);
}

TEST_F(ModbusReader, FactsExpireAndThoseThatNoLongerFitAreLeftOut) {
  Open(Holding({0, 10}));
  line_.holes = {5};
  Read();
  const std::string kept = kept_;
  unix_s_ += ThingReader::kExpireS;
  Reopen();
  EXPECT_TRUE(reader_->learned().empty()) << "too old";
  unix_s_ -= ThingReader::kExpireS;
  kept_ = kept;
  Open(Holding({0, 5, 10}));
  EXPECT_TRUE(reader_->learned().holes.empty()) << "a point lies in the hole now";
}

TEST_F(ModbusReader, WithoutAnAnswerNothingIsLearned) {
  Open(Holding({0, 10}));
  line_.holes = {5};
  line_.silent = {1};  // the question about the hole itself
  Read();
  EXPECT_TRUE(reader_->learned().empty());
  EXPECT_TRUE(log_.empty());
}

TEST_F(ModbusReader, NeighboursAreWrittenInOneRequestInTheirOrder) {
  Open(Holding({10, 11, 12, 20}));
  const ThingReader::PointWrite writes[] = {
      {0, std::int64_t{1}}, {1, std::int64_t{0}}, {2, std::int64_t{3}}, {3, std::int64_t{4}}};
  const auto results = reader_->WriteMany(writes, line_, {.deadline_ns = 100 * kSecond});
  ASSERT_EQ(results.size(), 4u);
  for (const auto& result : results) EXPECT_EQ(result.error, "");
  const std::vector<std::pair<int, int>> expected{{16, 10}, {6, 20}};
  EXPECT_EQ(line_.writes, expected);
  const std::map<int, int> memory{{10, 1}, {11, 0}, {12, 3}, {20, 4}};
  EXPECT_EQ(line_.memory, memory);
}

TEST_F(ModbusReader, TheSameRegisterTwiceOrDescendingIsNotMerged) {
  Open(Holding({10, 11}));
  const ThingReader::PointWrite writes[] = {{1, std::int64_t{1}}, {0, std::int64_t{2}}, {0, std::int64_t{3}}};
  reader_->WriteMany(writes, line_, {.deadline_ns = 100 * kSecond});
  EXPECT_EQ(line_.writes.size(), 3u);
  EXPECT_EQ(line_.memory[10], 3);
}

TEST_F(ModbusReader, ADeviceWithoutTheMultipleFunctionIsWrittenOneByOne) {
  Open(Holding({10, 11}));
  line_.no_function = {16};
  const ThingReader::PointWrite writes[] = {{0, std::int64_t{1}}, {1, std::int64_t{70000}}};
  const auto results = reader_->WriteMany(writes, line_, {.deadline_ns = 100 * kSecond});
  EXPECT_EQ(results[0].error, "");
  EXPECT_EQ(results[1].error, "70000 is outside 0..65535 of u16") << "a value that does not fit costs only itself";
  const ThingReader::PointWrite both[] = {{0, std::int64_t{1}}, {1, std::int64_t{2}}};
  for (const auto& result : reader_->WriteMany(both, line_, {.deadline_ns = 100 * kSecond}))
    EXPECT_EQ(result.error, "");
  EXPECT_EQ(line_.memory[11], 2);
}

TEST_F(ModbusReader, AfterAWriteWithoutAnAnswerTheRestIsNotTried) {
  Open(Holding({10, 20, 30}));
  line_.failure = "timeout";
  const ThingReader::PointWrite writes[] = {{0, std::int64_t{1}}, {1, std::int64_t{2}}, {2, std::int64_t{3}}};
  const auto results = reader_->WriteMany(writes, line_, {.deadline_ns = 100 * kSecond});
  for (const auto& result : results) EXPECT_EQ(result.error, "timeout");
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
