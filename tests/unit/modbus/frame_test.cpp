// Requests as bytes, and what counts as their answer.
#include "modbus/frame.hpp"

#include <gtest/gtest.h>

#include <initializer_list>
#include <random>
#include <vector>

namespace penumbra::modbus {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::uint16_t kTransaction = 0x1234;
const Request kRead = ReadRequest(17, Table::kHolding, 100, 2);  // answered by 03 04 and four bytes

Bytes Mbap(const Bytes& unit_and_pdu, std::uint16_t transaction = kTransaction) {
  Bytes frame{static_cast<std::uint8_t>(transaction >> 8),   static_cast<std::uint8_t>(transaction), 0, 0, 0,
              static_cast<std::uint8_t>(unit_and_pdu.size())};
  for (const std::uint8_t byte : unit_and_pdu) frame.push_back(byte);
  return frame;
}

Bytes Rtu(Bytes frame) {
  const std::uint16_t crc = Crc16(frame);
  frame.push_back(static_cast<std::uint8_t>(crc));
  frame.push_back(static_cast<std::uint8_t>(crc >> 8));
  return frame;
}

// By hand: g++ 12 sees an overflow in vector::insert here that is none.
Bytes operator+(const Bytes& a, const Bytes& b) {
  Bytes both;
  for (const Bytes* part : {&a, &b}) {
    for (const std::uint8_t byte : *part) both.push_back(byte);
  }
  return both;
}

Judgement Tcp(const Bytes& bytes, const Request& request = kRead) {
  return JudgeReply(Framing::kTcp, bytes, request, kTransaction);
}
Judgement Serial(const Bytes& bytes, const Request& request = kRead) {
  return JudgeReply(Framing::kRtu, bytes, request, kTransaction);
}

const Bytes kGoodReply{17, 3, 4, 0x12, 0x34, 0x56, 0x78};

TEST(ModbusFrame, OnTcpALateReplyIsForeignAndTheRightOneBehindItCounts) {
  const Bytes late = Mbap(kGoodReply, kTransaction - 1);
  const Judgement first = Tcp(late + Mbap(kGoodReply));
  EXPECT_EQ(first.verdict, Verdict::kForeign);
  EXPECT_EQ(first.consumed, late.size());
  EXPECT_EQ(Tcp(Mbap(kGoodReply)).verdict, Verdict::kAnswer);
}

TEST(ModbusFrame, OnTcpAReplyInAnotherUnitsNameIsForeign) {
  Bytes reply = kGoodReply;
  reply[0] = 18;
  EXPECT_EQ(Tcp(Mbap(reply)).verdict, Verdict::kForeign);
  EXPECT_STREQ(Tcp(Mbap(reply)).reason, "wrong unit in reply");
}

TEST(ModbusFrame, OnTcpWrongFunctionLengthOrProtocolBreaksTheAttempt) {
  EXPECT_STREQ(Tcp(Mbap({17, 4, 4, 0, 0, 0, 0})).reason, "wrong function in reply");
  EXPECT_STREQ(Tcp(Mbap({17, 3, 2, 0, 0})).reason, "wrong length in reply");
  EXPECT_STREQ(Tcp(Mbap({17, 3, 6, 0, 0, 0, 0, 0, 0})).reason, "wrong length in reply");
  EXPECT_STREQ(Tcp(Mbap({17, 3, 6, 0, 0, 0, 0})).reason, "wrong length in reply") << "byte count against header length";
  EXPECT_STREQ(Tcp(Mbap({17, 0x83, 2, 0})).reason, "wrong length in reply");
  Bytes protocol = Mbap(kGoodReply);
  protocol[3] = 1;  // libmodbus lets this pass unless both bytes are set
  EXPECT_STREQ(Tcp(protocol).reason, "not a Modbus reply");
  Bytes length = Mbap(kGoodReply);
  length[4] = 0x10;
  EXPECT_STREQ(Tcp(length).reason, "not a Modbus reply");
  for (const auto& bytes : {Mbap({17, 4, 4, 0, 0, 0, 0}), protocol, length}) {
    EXPECT_EQ(Tcp(bytes).verdict, Verdict::kBroken);
  }
}

TEST(ModbusFrame, EveryPrefixOfAReplyAsksForMore) {
  const Bytes tcp = Mbap(kGoodReply);
  for (std::size_t size = 0; size < tcp.size(); ++size) {
    EXPECT_EQ(Tcp(Bytes(tcp.begin(), tcp.begin() + static_cast<std::ptrdiff_t>(size))).verdict, Verdict::kMore);
  }
  const Bytes rtu = Rtu(kGoodReply);
  for (std::size_t size = 1; size < rtu.size(); ++size) {
    const auto judgement = Serial(Bytes(rtu.begin(), rtu.begin() + static_cast<std::ptrdiff_t>(size)));
    EXPECT_EQ(judgement.verdict, Verdict::kMore);
    EXPECT_STREQ(judgement.reason, "incomplete reply");
  }
}

TEST(ModbusFrame, ExceptionsCarryTheirCodeAndAName) {
  for (const Judgement& judgement : {Tcp(Mbap({17, 0x83, 2})), Serial(Rtu({17, 0x83, 2}))}) {
    EXPECT_EQ(judgement.verdict, Verdict::kException);
    EXPECT_EQ(judgement.exception, 2);
  }
  EXPECT_STREQ(ExceptionReason(2), "exception 2 (illegal data address)");
  EXPECT_STREQ(ExceptionReason(6), "exception 6 (device busy)");
  EXPECT_STREQ(ExceptionReason(9), "exception 9");
  EXPECT_STREQ(ExceptionReason(255), "exception 255");
}

TEST(ModbusFrame, OnASerialLineAnyFlippedBitIsNoAnswer) {
  const Bytes good = Rtu(kGoodReply);
  ASSERT_EQ(Serial(good).verdict, Verdict::kAnswer);
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] = static_cast<std::uint8_t>(bad[bit / 8] ^ (1u << (bit % 8)));
    EXPECT_NE(Serial(bad).verdict, Verdict::kAnswer) << bit;
  }
}

TEST(ModbusFrame, OnASerialLineNoiseAndOtherUnitsFramesBeforeTheReplyAreToldApart) {
  EXPECT_EQ(Serial(Bytes{0x00} + Rtu(kGoodReply)).verdict, Verdict::kAnswer);
  EXPECT_EQ(Serial(Bytes{0xFF, 0x03} + Rtu(kGoodReply)).verdict, Verdict::kAnswer);
  Bytes other = kGoodReply;
  other[0] = 18;
  const Judgement judgement = Serial(Rtu(other) + Rtu(kGoodReply));
  EXPECT_EQ(judgement.verdict, Verdict::kForeign);
  EXPECT_EQ(judgement.consumed, Rtu(other).size());
  EXPECT_STREQ(judgement.reason, "wrong unit in reply");
}

TEST(ModbusFrame, OnASerialLineTheEchoOfOurOwnReadRequestIsNotItsAnswer) {
  const Adu request = BuildAdu(Framing::kRtu, kRead, 0);
  const Bytes echo(request.bytes.begin(), request.bytes.begin() + static_cast<std::ptrdiff_t>(request.size));
  EXPECT_NE(Serial(echo).verdict, Verdict::kAnswer);
  EXPECT_EQ(Serial(echo + Rtu(kGoodReply)).verdict, Verdict::kAnswer);
}

TEST(ModbusFrame, AWriteIsAnsweredOnlyByItsOwnEcho) {
  const std::uint16_t word[] = {0x0102};
  const Request write = WriteRegistersRequest(17, 7, word, false);
  EXPECT_EQ(Tcp(Mbap({17, 6, 0, 7, 1, 2}), write).verdict, Verdict::kAnswer);
  EXPECT_STREQ(Tcp(Mbap({17, 6, 0, 7, 1, 3}), write).reason, "wrong echo in reply");
  EXPECT_STREQ(Tcp(Mbap({17, 6, 0, 8, 1, 2}), write).reason, "wrong echo in reply");
  const std::uint16_t words[] = {1, 2};
  const Request multiple = WriteRegistersRequest(17, 7, words, false);
  EXPECT_EQ(Serial(Rtu({17, 16, 0, 7, 0, 2}), multiple).verdict, Verdict::kAnswer);
  EXPECT_STREQ(Serial(Rtu({17, 16, 0, 7, 0, 1}), multiple).reason, "wrong echo in reply");
}

TEST(ModbusFrame, RequestsAreTheBytesOfTheStandard) {
  const auto bytes = [](Framing framing, const Request& request) {
    const Adu adu = BuildAdu(framing, request, 0x0102);
    return Bytes(adu.bytes.begin(), adu.bytes.begin() + static_cast<std::ptrdiff_t>(adu.size));
  };
  // Modbus over Serial Line, appendix B: 02 07 has the CRC 41 12.
  EXPECT_EQ(Rtu({2, 7}), (Bytes{2, 7, 0x41, 0x12}));
  EXPECT_EQ(bytes(Framing::kTcp, ReadRequest(17, Table::kInput, 0x0203, 5)),
            (Bytes{1, 2, 0, 0, 0, 6, 17, 4, 2, 3, 0, 5}));
  EXPECT_EQ(bytes(Framing::kTcp, ReadRequest(1, Table::kCoil, 1, 2000)),
            (Bytes{1, 2, 0, 0, 0, 6, 1, 1, 0, 1, 0x07, 0xD0}));
  EXPECT_EQ(bytes(Framing::kTcp, WriteCoilRequest(1, 9, true, false)), (Bytes{1, 2, 0, 0, 0, 6, 1, 5, 0, 9, 0xFF, 0}));
  EXPECT_EQ(bytes(Framing::kTcp, WriteCoilRequest(1, 9, true, true)),
            (Bytes{1, 2, 0, 0, 0, 8, 1, 15, 0, 9, 0, 1, 1, 1}));
  const std::uint16_t word[] = {0xABCD};
  EXPECT_EQ(bytes(Framing::kTcp, WriteRegistersRequest(1, 9, word, true)),
            (Bytes{1, 2, 0, 0, 0, 9, 1, 16, 0, 9, 0, 1, 2, 0xAB, 0xCD}));
}

TEST(ModbusFrame, RandomBytesNeverAnswerAndConsumptionStaysInside) {
  std::mt19937 random(3);
  for (int i = 0; i < 200000; ++i) {
    Bytes bytes(random() % 40);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
    for (const Framing framing : {Framing::kTcp, Framing::kRtu}) {
      const Judgement judgement = JudgeReply(framing, bytes, kRead, kTransaction);
      ASSERT_LE(judgement.consumed, bytes.size());
      ASSERT_NE(judgement.verdict, Verdict::kAnswer);
    }
  }
}

TEST(ModbusFrame, AnAnswerThatAnotherFrameWentIntoIsNotBelieved) {
  const Request request = ReadRequest(1, Table::kHolding, 0, 3);
  const std::vector<std::uint8_t> answer{0, 7, 0, 0, 0, 9, 1, 3, 6, 0, 1, 0, 2, 0, 3};
  const std::vector<std::uint8_t> late{0, 6, 0, 0, 0, 9, 1, 3, 6, 0, 9, 0, 8, 0, 7};
  const auto judge = [&](std::vector<std::uint8_t> bytes, const std::vector<std::uint8_t>& behind) {
    bytes.insert(bytes.end(), behind.begin(), behind.end());
    return JudgeReply(Framing::kTcp, bytes, request, 7).verdict;
  };
  EXPECT_EQ(judge(answer, {}), Verdict::kAnswer);
  EXPECT_EQ(judge(answer, answer), Verdict::kAnswer);
  EXPECT_EQ(judge(answer, late), Verdict::kAnswer) << "a whole frame behind it is another matter";
  for (std::size_t cut = 1; cut < answer.size(); ++cut) {
    const auto verdict = judge({answer.begin(), answer.begin() + static_cast<std::ptrdiff_t>(cut)}, late);
    EXPECT_NE(verdict, Verdict::kAnswer) << "cut after " << cut;
  }
}

}  // namespace
}  // namespace penumbra::modbus
