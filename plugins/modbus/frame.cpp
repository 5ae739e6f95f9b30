#include "modbus/frame.hpp"

#include <algorithm>

namespace penumbra::modbus {
namespace {

enum Function : std::uint8_t {
  kReadCoils = 1,
  kReadDiscreteInputs = 2,
  kReadHoldingRegisters = 3,
  kReadInputRegisters = 4,
  kWriteSingleCoil = 5,
  kWriteSingleRegister = 6,
  kWriteMultipleCoils = 15,
  kWriteMultipleRegisters = 16
};
constexpr std::uint8_t kExceptionFlag = 0x80;
constexpr std::size_t kMbapSize = 7;
constexpr std::size_t kCrcSize = 2;

bool IsRead(std::uint8_t function) {
  return function >= kReadCoils && function <= kReadInputRegisters;
}

std::uint8_t FunctionOf(Table table) {
  constexpr std::array<std::uint8_t, 4> kFunctions{kReadCoils, kReadDiscreteInputs, kReadInputRegisters,
                                                   kReadHoldingRegisters};
  return kFunctions[static_cast<std::size_t>(table)];
}

std::uint16_t Word(std::span<const std::uint8_t> bytes, std::size_t offset) {
  return static_cast<std::uint16_t>((bytes[offset] << 8) | bytes[offset + 1]);
}

// A reply PDU of the right unit: answer, exception, or what is wrong with it.
Judgement JudgePdu(std::span<const std::uint8_t> pdu, const Request& request) {
  const std::uint8_t function = request.pdu.bytes[0];
  if (pdu[0] == (function | kExceptionFlag)) {
    if (pdu.size() != 2) return {.verdict = Verdict::kBroken, .reason = "wrong length in reply"};
    return {.verdict = Verdict::kException, .exception = pdu[1], .pdu = pdu};
  }
  if (pdu[0] != function) return {.verdict = Verdict::kBroken, .reason = "wrong function in reply"};
  if (pdu.size() != ReplySize(request) || (IsRead(function) && pdu[1] != pdu.size() - 2)) {
    return {.verdict = Verdict::kBroken, .reason = "wrong length in reply"};
  }
  // Writes repeat address and value, or address and quantity.
  if (!IsRead(function) && !std::equal(pdu.begin(), pdu.begin() + 5, request.pdu.bytes.begin())) {
    return {.verdict = Verdict::kBroken, .reason = "wrong echo in reply"};
  }
  return {.verdict = Verdict::kAnswer, .pdu = pdu};
}

Judgement JudgeTcp(std::span<const std::uint8_t> received, const Request& request, std::uint16_t transaction) {
  if (received.size() < kMbapSize) return {};
  const std::uint16_t length = Word(received, 4);  // unit id and PDU
  if (Word(received, 2) != 0 || length < 3 || length > kMaxPdu + 1) {
    return {.verdict = Verdict::kBroken, .consumed = received.size(), .reason = "not a Modbus reply"};
  }
  const std::size_t size = 6u + length;
  if (received.size() < size) return {};
  if (Word(received, 0) != transaction) return {.verdict = Verdict::kForeign, .consumed = size};
  if (received[6] != request.unit) {
    return {.verdict = Verdict::kForeign, .consumed = size, .reason = "wrong unit in reply"};
  }
  Judgement judgement = JudgePdu(received.subspan(kMbapSize, length - 1u), request);
  judgement.consumed = size;
  // Whole frames may follow (a late reply, the same reply again). Anything else means that a frame was cut short and
  // the next one went into its place, which only its end shows: there is no checksum.
  for (auto rest = received.subspan(size); !rest.empty();) {
    const auto next = WholeReply(Framing::kTcp, rest);
    if (!next) return {.verdict = Verdict::kBroken, .consumed = received.size(), .reason = "not a Modbus reply"};
    rest = rest.subspan(next->size);
  }
  return judgement;
}

bool CrcFits(std::span<const std::uint8_t> frame) {
  const std::uint16_t crc = Crc16(frame.first(frame.size() - kCrcSize));
  return frame[frame.size() - 2] == (crc & 0xFF) && frame[frame.size() - 1] == (crc >> 8);
}

// Size of the RTU reply frame that begins here, as its own bytes tell; 0 when they tell nothing (yet).
std::size_t RtuReplyFrameSize(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < 3) return 0;
  const std::uint8_t function = bytes[1];
  if ((function & kExceptionFlag) != 0) return 5;
  if (IsRead(function)) return 5u + bytes[2];
  if (function == kWriteSingleCoil || function == kWriteSingleRegister || function == kWriteMultipleCoils ||
      function == kWriteMultipleRegisters) {
    return 8;
  }
  return 0;
}

// Could these bytes be the beginning of the answer to `request`?
bool MayAnswer(std::span<const std::uint8_t> bytes, const Request& request) {
  const std::uint8_t function = request.pdu.bytes[0];
  if (bytes[0] != request.unit) return false;
  if (bytes.size() < 2) return true;
  if (bytes[1] == (function | kExceptionFlag)) return true;
  if (bytes[1] != function) return false;
  return bytes.size() < 3 || !IsRead(function) || bytes[2] == ReplySize(request) - 2;
}

Judgement JudgeRtu(std::span<const std::uint8_t> received, const Request& request) {
  Judgement so_far;
  for (std::size_t start = 0; start < received.size(); ++start) {
    const auto rest = received.subspan(start);
    const std::size_t size = RtuReplyFrameSize(rest);
    if (MayAnswer(rest, request)) {
      if (size == 0 || rest.size() < size) {
        so_far.reason = "incomplete reply";
        return so_far;
      }
      if (CrcFits(rest.first(size))) {
        Judgement judgement = JudgePdu(rest.subspan(1, size - 1 - kCrcSize), request);
        judgement.consumed = start + size;
        return judgement;
      }
      so_far.reason = "bad CRC";
    } else if (size != 0 && rest.size() >= size && CrcFits(rest.first(size))) {
      const bool other_unit = rest[0] != request.unit;
      return {.verdict = Verdict::kForeign,
              .consumed = start + size,
              .reason = other_unit ? "wrong unit in reply" : "wrong function in reply"};
    }
  }
  return so_far;
}

constexpr std::array<std::uint16_t, 256> MakeCrcTable() {
  std::array<std::uint16_t, 256> table{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    unsigned crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xA001 : crc >> 1;
    table[byte] = static_cast<std::uint16_t>(crc);
  }
  return table;
}
constexpr auto kCrcTable = MakeCrcTable();

std::array<std::string, 256> MakeExceptionReasons() {
  constexpr std::array<const char*, 12> kNames{nullptr,
                                               "illegal function",
                                               "illegal data address",
                                               "illegal data value",
                                               "device failure",
                                               "acknowledge",
                                               "device busy",
                                               "negative acknowledge",
                                               "memory parity error",
                                               nullptr,
                                               "gateway path unavailable",
                                               "gateway target did not respond"};
  std::array<std::string, 256> reasons;
  for (std::size_t code = 0; code < reasons.size(); ++code) {
    reasons[code] = "exception " + std::to_string(code);
    if (code < kNames.size() && kNames[code] != nullptr) reasons[code] += std::string(" (") + kNames[code] + ")";
  }
  return reasons;
}

}  // namespace

std::string_view NameOf(Table table) {
  constexpr std::array<std::string_view, 4> kNames{"coil", "discrete", "input", "holding"};
  return kNames[static_cast<std::size_t>(table)];
}

Request ReadRequest(std::uint8_t unit, Table table, std::uint16_t address, std::uint16_t count) {
  Request request{.unit = unit};
  request.pdu.Add8(FunctionOf(table));
  request.pdu.Add16(address);
  request.pdu.Add16(count);
  return request;
}

Request WriteCoilRequest(std::uint8_t unit, std::uint16_t address, bool on, bool multiple) {
  Request request{.unit = unit};
  request.pdu.Add8(multiple ? kWriteMultipleCoils : kWriteSingleCoil);
  request.pdu.Add16(address);
  if (multiple) {
    request.pdu.Add16(1);
    request.pdu.Add8(1);
    request.pdu.Add8(on ? 1 : 0);
  } else {
    request.pdu.Add16(on ? 0xFF00 : 0);
  }
  return request;
}

Request WriteCoilsRequest(std::uint8_t unit, std::uint16_t address, const std::vector<bool>& bits) {
  Request request{.unit = unit};
  request.pdu.Add8(kWriteMultipleCoils);
  request.pdu.Add16(address);
  request.pdu.Add16(static_cast<std::uint16_t>(bits.size()));
  request.pdu.Add8(static_cast<std::uint8_t>((bits.size() + 7) / 8));
  for (std::size_t begin = 0; begin < bits.size(); begin += 8) {
    unsigned byte = 0;
    for (std::size_t i = begin; i < std::min(begin + 8, bits.size()); ++i) byte |= unsigned{bits[i]} << (i - begin);
    request.pdu.Add8(static_cast<std::uint8_t>(byte));
  }
  return request;
}

Request WriteRegistersRequest(std::uint8_t unit, std::uint16_t address, std::span<const std::uint16_t> words,
                              bool multiple) {
  Request request{.unit = unit};
  if (words.size() == 1 && !multiple) {
    request.pdu.Add8(kWriteSingleRegister);
    request.pdu.Add16(address);
    request.pdu.Add16(words[0]);
    return request;
  }
  request.pdu.Add8(kWriteMultipleRegisters);
  request.pdu.Add16(address);
  request.pdu.Add16(static_cast<std::uint16_t>(words.size()));
  request.pdu.Add8(static_cast<std::uint8_t>(words.size() * 2));
  for (const std::uint16_t word : words) request.pdu.Add16(word);
  return request;
}

std::size_t ReplySize(const Request& request) {
  const std::uint8_t function = request.pdu.bytes[0];
  if (!IsRead(function)) return 5;
  const std::size_t count = request.pdu.At16(3);
  return 2 + (function <= kReadDiscreteInputs ? (count + 7) / 8 : count * 2);
}

Adu BuildAdu(Framing framing, const Request& request, std::uint16_t transaction) {
  Adu adu;
  const auto add = [&adu](unsigned byte) { adu.bytes[adu.size++] = static_cast<std::uint8_t>(byte); };
  if (framing == Framing::kTcp) {
    const unsigned length = request.pdu.size + 1u;
    for (const unsigned byte : {transaction >> 8, transaction & 0xFF, 0, 0}) add(byte);
    add(length >> 8);
    add(length & 0xFF);
  }
  add(request.unit);
  for (const std::uint8_t byte : request.pdu.view()) add(byte);
  if (framing == Framing::kRtu) {
    const unsigned crc = Crc16({adu.bytes.data(), adu.size});
    add(crc & 0xFF);
    add(crc >> 8);
  }
  return adu;
}

std::uint16_t Crc16(std::span<const std::uint8_t> bytes) {
  std::uint16_t crc = 0xFFFF;
  for (const std::uint8_t byte : bytes) {
    crc = static_cast<std::uint16_t>((crc >> 8) ^ kCrcTable[(crc ^ byte) & 0xFF]);
  }
  return crc;
}

Judgement JudgeReply(Framing framing, std::span<const std::uint8_t> received, const Request& request,
                     std::uint16_t transaction) {
  return framing == Framing::kTcp ? JudgeTcp(received, request, transaction) : JudgeRtu(received, request);
}

std::optional<FrameHead> WholeReply(Framing framing, std::span<const std::uint8_t> bytes) {
  if (framing == Framing::kTcp) {
    if (bytes.size() < kMbapSize + 1 || Word(bytes, 2) != 0) return std::nullopt;
    const std::size_t size = 6u + Word(bytes, 4);
    if (size < kMbapSize + 1 || size > kMaxAdu || bytes.size() < size) return std::nullopt;
    return FrameHead{.transaction = Word(bytes, 0), .unit = bytes[6], .size = size};
  }
  const std::size_t size = RtuReplyFrameSize(bytes);
  if (size == 0 || bytes.size() < size || !CrcFits(bytes.first(size))) return std::nullopt;
  return FrameHead{.unit = bytes[0], .size = size};
}

std::uint16_t RegisterAt(std::span<const std::uint8_t> pdu, std::size_t index) {
  return Word(pdu, 2 + index * 2);
}

bool BitAt(std::span<const std::uint8_t> pdu, std::size_t index) {
  return ((pdu[2 + index / 8] >> (index % 8)) & 1) != 0;
}

const char* ExceptionReason(std::uint8_t code) {
  static const std::array<std::string, 256> kReasons = MakeExceptionReasons();
  return kReasons[code].c_str();
}

}  // namespace penumbra::modbus
