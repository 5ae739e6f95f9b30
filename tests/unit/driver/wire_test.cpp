#include "driver/wire.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace penumbra::wire {
namespace {

// Every prefix of a good frame, and a good frame with one byte more, is no frame.
template <typename Decode>
void ExpectOnlyWholeFrames(const std::string& frame, Decode decode) {
  for (std::size_t n = 0; n < frame.size(); ++n) EXPECT_FALSE(decode(frame.substr(0, n))) << n;
  EXPECT_FALSE(decode(frame + '\0'));
  EXPECT_TRUE(decode(frame));
}

TEST(Wire, OnlyWholeFramesAreFrames) {
  const ReadAnswer answer{7, Code::kOk, {{Value(std::int64_t{-5})}, {{}, Quality::kBad, Code::kTimeout, "timeout"}}};
  for (const FromHost& message :
       {FromHost(Loaded{"1.0", kCanAsk | kCanPlan}), FromHost(AskObject{7, "{}"}),
        FromHost(AskAnswer{7, Code::kIo, "x"}), FromHost(Fact{"slow.unit-7", "{\"ms\":80}"}), FromHost(Fact{"k", ""}),
        FromHost(LoadFailed{"no"}), FromHost(Opened{Code::kIo, "x", "files are open"}),
        FromHost(Ending{Code::kNoDevice, "gone"}), FromHost(answer), FromHost(WriteAnswer{9, Code::kRefused, "no"}),
        FromHost(LogLine{4, "line", 3})}) {
    ExpectOnlyWholeFrames(Encode(message), DecodeFromHost);
    EXPECT_EQ(DecodeFromHost(Encode(message)), message);
  }
  for (const Request& request :
       {Request(ReadRequest{1, 2, {0, 5, 300}, 123456789}), Request(AskRequest{1, "{\"ask\":\"plan\"}", 5}),
        Request(WriteRequest{1, 2, 3, Value(std::string("text")), -1})}) {
    ExpectOnlyWholeFrames(Encode(request), DecodeRequest);
    EXPECT_EQ(DecodeRequest(Encode(request)), request);
  }
}

TEST(Wire, AValueThatDoesNotFitItsQualityIsNoFrame) {
  EXPECT_FALSE(DecodeFromHost(Encode(FromHost(ReadAnswer{1, Code::kOk, {{Value(true), Quality::kBad}}}))));
  EXPECT_FALSE(DecodeFromHost(Encode(FromHost(ReadAnswer{1, Code::kOk, {{{}, Quality::kGood}}}))));
  EXPECT_FALSE(DecodeFromHost(Encode(FromHost(ReadAnswer{1, Code::kIo, {{Value(true)}}}))));
}

TEST(Wire, UnknownKindsAndNumbersOutOfRangeAreNoFrames) {
  EXPECT_FALSE(DecodeFromHost(""));
  EXPECT_FALSE(DecodeFromHost("\xFF"));
  EXPECT_FALSE(DecodeRequest(Encode(FromHost(Loaded{"1"}))));
  EXPECT_FALSE(DecodeFromHost(Encode(FromHost(LogLine{.level = 9, .text = "x"}))));
  std::string opened = Encode(FromHost(Opened{}));
  opened[1] = 100;  // the code
  EXPECT_FALSE(DecodeFromHost(opened));
  const std::string id_of_33_bits = std::string("\x14\xFF\xFF\xFF\xFF\x1F", 6) + std::string(2, '\0');
  EXPECT_FALSE(DecodeFromHost(id_of_33_bits));
}

TEST(Wire, AFactNeedsAKeyThatIsOne) {
  for (const char* key : {"", "with space", "a/b", "\xC3\xA9"}) {
    EXPECT_FALSE(IsFactKey(key)) << key;
    EXPECT_FALSE(DecodeFromHost(Encode(FromHost(Fact{key, "1"})))) << key;
  }
  EXPECT_FALSE(IsFactKey(std::string(kMaxFactKey + 1, 'k')));
  EXPECT_TRUE(IsFactKey(std::string(kMaxFactKey, 'k')));
}

TEST(Wire, TheLongestAnswerObjectFitsAFrame) {
  const FromHost longest = AskObject{1, std::string(kMaxAnswerObject, 'x')};
  EXPECT_LE(Encode(longest).size(), kMaxFrame);
  EXPECT_EQ(DecodeFromHost(Encode(longest)), longest);
}

TEST(Wire, EveryKindOfValueSurvivesTheJourney) {
  const double inf = std::numeric_limits<double>::infinity();
  for (const Value& value :
       {Value(true), Value(false), Value(std::numeric_limits<std::int64_t>::min()),
        Value(std::numeric_limits<std::uint64_t>::max()), Value(-0.1), Value(inf), Value(std::string("\xC3\xA9"))}) {
    const FromHost message = ReadAnswer{1, Code::kOk, {{value, Quality::kUncertain, Code::kOk, "why", 42}}};
    EXPECT_EQ(DecodeFromHost(Encode(message)), message);
  }
}

TEST(Wire, ATooLongTextIsCutAndSaysSo) {
  const ReadAnswer answer{1, Code::kOk, {{Value(std::string(kMaxText + 1, 'x'))}}};
  const auto back = std::get<ReadAnswer>(*DecodeFromHost(Encode(FromHost(answer))));
  EXPECT_EQ(std::get<std::string>(back.values[0].value).size(), kMaxText);
  EXPECT_EQ(back.values[0].quality, Quality::kUncertain);
  EXPECT_EQ(back.values[0].reason, "text cut");
}

TEST(Wire, NoAnswerIsLongerThanAFrame) {
  ReadAnswer answer{std::numeric_limits<std::uint32_t>::max(), Code::kOk, {}};
  const RawValue text{Value(std::string(100000, 'x')), Quality::kUncertain, Code::kOk, std::string(1000, 'y'),
                      std::numeric_limits<std::int64_t>::min()};
  answer.values.assign(kMaxPoints + 10, text);
  const std::string frame = Encode(FromHost(answer));
  EXPECT_LE(frame.size(), kMaxFrame);
  const auto back = DecodeFromHost(frame);
  ASSERT_TRUE(back);
  EXPECT_EQ(std::get<ReadAnswer>(*back).values.size(), kMaxPoints);
}

}  // namespace
}  // namespace penumbra::wire
