// Recordings: their file format, what a replayed device answers, and the view of a plan.
#include "cli/replay.hpp"

#include <gtest/gtest.h>

#include "cli/bus_plan.hpp"

namespace penumbra::cli {
namespace {

OrderedJson Frame(const char* kind, std::int64_t at_ns, const char* hex) {
  return {{"answer", "frame"}, {"at_ns", at_ns}, {"kind", kind}, {"hex", hex}};
}

Recording Of(const char* transport, const std::vector<OrderedJson>& frames) {
  OrderedJson answer = OrderedJson::array({{{"answer", "line"}, {"transport", transport}, {"baud", 9600}}});
  for (const OrderedJson& frame : frames) answer.push_back(frame);
  const auto parsed = ParseRecording(RenderRecording("hall", "modbus", "unit does not answer", 1234, answer));
  EXPECT_TRUE(parsed.has_value()) << parsed.error().message;
  return *parsed;
}

std::string Bytes(std::initializer_list<int> list) {
  std::string bytes;
  for (const int byte : list) bytes += static_cast<char>(byte);
  return bytes;
}

TEST(Recording, ComesBackAsItWasWritten) {
  const Recording recording = Of("tcp", {Frame("sent", 5, "0001"),
                                         Frame("stale", 7, "ff"),
                                         {{"answer", "frame"}, {"at_ns", 9}, {"kind", "note"}, {"text", "timeout"}}});
  EXPECT_EQ(recording.bus, "hall");
  EXPECT_EQ(recording.transport, "tcp");
  EXPECT_EQ(recording.anomaly, "unit does not answer");
  ASSERT_EQ(recording.frames.size(), 3u);
  EXPECT_EQ(recording.frames[0].bytes, Bytes({0, 1}));
  EXPECT_EQ(recording.frames[2].bytes, "timeout");
}

TEST(Recording, WhatIsNoRecordingIsRefusedWithItsLine) {
  const std::string head = "{\"penumbra_recording\":1}\n";
  for (const std::string& text :
       {std::string(), std::string("x"), std::string("{}"), std::string("{\"penumbra_recording\":2}"), head + "{}",
        head + R"({"kind":"sent","at_ns":1,"hex":"0"})", head + R"({"kind":"sent","at_ns":1,"hex":"zz"})",
        head + R"({"kind":"lost","at_ns":1,"hex":"00"})", head + R"({"kind":"sent","hex":"00"})",
        std::string(kMaxRecordingBytes + 1, ' ')}) {
    EXPECT_FALSE(ParseRecording(text).has_value()) << text.substr(0, 80);
  }
  EXPECT_EQ(ParseRecording(head + "\n{}").error().message.substr(0, 7), "line 3:");
}

TEST(ReplayBook, AnswersEachRequestAsItWasAnsweredThenUnderTheNewTransaction) {
  // Twice the same request: first a foreign reply and the right one 2 ms later, then nothing.
  ReplayBook book(Of(
      "tcp", {Frame("sent", 1000, "00070000000601030000000a"), Frame("received", 1001, "000500000003010302"),
              Frame("received", 2'001'000, "000700000003018302"), Frame("sent", 9000000, "00080000000601030000000a")}));
  EXPECT_EQ(book.requests(), 1u);
  std::string received = Bytes({0x12, 0x34, 0, 0, 0, 6, 1, 3, 0, 0, 0, 10, 0x99});
  const std::string request = book.TakeRequest(received);
  EXPECT_EQ(received, Bytes({0x99})) << "what follows stays";
  const auto chunks = book.Answer(request);
  ASSERT_EQ(chunks.size(), 2u);
  EXPECT_EQ(chunks[1].bytes, Bytes({0x12, 0x34, 0, 0, 0, 3, 1, 0x83, 2}));
  EXPECT_EQ(chunks[1].delay_ns, 2'000'000);
  EXPECT_NE(chunks[0].bytes.substr(0, 2), Bytes({0x12, 0x34})) << "foreign then, foreign now";
  EXPECT_TRUE(book.Answer(request).empty());
  EXPECT_EQ(book.Answer(request).size(), 2u) << "and round again";
}

TEST(ReplayBook, FindsRecordedRequestsInTheBytesOfASerialLine) {
  ReplayBook book(Of("rtu", {Frame("sent", 0, "010300000001840a"), Frame("received", 10, "0103020007f986")}));
  std::string received = Bytes({0xff, 1, 3, 0, 0});
  EXPECT_EQ(book.TakeRequest(received), "");
  EXPECT_EQ(received, Bytes({1, 3, 0, 0})) << "noise is dropped, a beginning is kept";
  received += Bytes({0, 1, 0x84, 0x0a});
  const std::string request = book.TakeRequest(received);
  EXPECT_EQ(request.size(), 8u);
  ASSERT_EQ(book.Answer(request).size(), 1u);
  std::string unknown = Bytes({2, 3, 0, 0, 0, 1, 0x84, 0x39});
  EXPECT_EQ(book.TakeRequest(unknown), "");
  EXPECT_TRUE(unknown.empty());
}

TEST(BusPlan, AddsTheTimesOfThingsUpToTheLoadOfTheBus) {
  const OrderedJson answer = OrderedJson::array(
      {{{"answer", "request"},
        {"thing", "a"},
        {"unit", 1},
        {"table", "holding"},
        {"address", 0},
        {"count", 2},
        {"points", {"x", "y"}},
        {"bytes", 17},
        {"time_us", 35000}},
       {{"answer", "thing"}, {"thing", "a"}, {"requests", 1}, {"bytes", 17}, {"time_us", 600000}, {"refused", {"z"}}},
       {{"answer", "thing"}, {"thing", "b"}, {"requests", 1}, {"bytes", 17}, {"time_us", 600000}}});
  using namespace std::chrono_literals;
  const OrderedJson calm = PlanJson("hall", answer, {{"a", 2s}, {"b", 2s}});
  EXPECT_DOUBLE_EQ(calm["load"].get<double>(), 0.6);
  EXPECT_EQ(PlanWarning(calm), "");
  const OrderedJson late = PlanJson("hall", answer, {{"a", 1s}, {"b", 1s}});
  EXPECT_NE(PlanWarning(late).find("bus hall needs 120.0 %"), std::string::npos);
  const std::string view = PlanView(late, {});
  EXPECT_NE(view.find("holding 0-1"), std::string::npos) << view;
  EXPECT_NE(view.find("120.0 %"), std::string::npos) << view;
  EXPECT_TRUE(PlanJson("hall", OrderedJson::array({{{"port", 1}}}), {}).is_null());
}

}  // namespace
}  // namespace penumbra::cli
