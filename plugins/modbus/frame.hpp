// Modbus frames: requests built, replies judged. Deliberately judges everything that can be judged (transaction id,
// unit, function, length, echo, CRC), because libmodbus 3.1.6 checks on TCP neither the unit id nor the length of the
// header, never the echo of a write, and gives a foreign reply back as a failed request instead of waiting for the
// right one. No I/O; any thread. Source: Modbus Application Protocol V1.1b3, MODBUS over Serial Line V1.02, Modbus
// Messaging on TCP/IP V1.0b.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace penumbra::modbus {

enum class Table : std::uint8_t { kCoil, kDiscrete, kInput, kHolding };

inline bool IsBits(Table table) {
  return table == Table::kCoil || table == Table::kDiscrete;
}
std::string_view NameOf(Table table);

inline constexpr std::uint16_t kMaxReadWords = 125;
inline constexpr std::uint16_t kMaxReadBits = 2000;
inline constexpr std::uint16_t kMaxWriteWords = 123;
inline constexpr std::uint16_t kMaxWriteBits = 1968;
inline constexpr std::size_t kMaxPdu = 253;
inline constexpr std::size_t kMaxAdu = 260;

// Function code and data, without addressing and checksum.
struct Pdu {
  std::array<std::uint8_t, kMaxPdu> bytes{};
  std::uint16_t size = 0;

  void Add8(std::uint8_t byte) { bytes[size++] = byte; }
  void Add16(std::uint16_t word) {
    Add8(static_cast<std::uint8_t>(word >> 8));
    Add8(static_cast<std::uint8_t>(word & 0xFF));
  }
  std::uint16_t At16(std::size_t offset) const {
    return static_cast<std::uint16_t>((bytes[offset] << 8) | bytes[offset + 1]);
  }
  std::span<const std::uint8_t> view() const { return {bytes.data(), size}; }
};

struct Request {
  std::uint8_t unit = 1;
  Pdu pdu;
};

// `count` is 1..125 registers or 1..2000 bits and ends at or before 65535.
Request ReadRequest(std::uint8_t unit, Table table, std::uint16_t address, std::uint16_t count);
// Function 5, or 15 when `multiple`.
Request WriteCoilRequest(std::uint8_t unit, std::uint16_t address, bool on, bool multiple);
// Function 15. 1..kMaxWriteBits.
Request WriteCoilsRequest(std::uint8_t unit, std::uint16_t address, const std::vector<bool>& bits);
// Function 6 for a single register, else 16, also for one when `multiple`. At most kMaxWriteWords.
Request WriteRegistersRequest(std::uint8_t unit, std::uint16_t address, std::span<const std::uint16_t> words,
                              bool multiple);

// Size of the PDU that answers `request` without an exception.
std::size_t ReplySize(const Request& request);

enum class Framing { kTcp, kRtu };

struct Adu {
  std::array<std::uint8_t, kMaxAdu> bytes{};
  std::size_t size = 0;
};

// `transaction` matters on TCP only.
Adu BuildAdu(Framing framing, const Request& request, std::uint16_t transaction);

std::uint16_t Crc16(std::span<const std::uint8_t> bytes);

enum class Verdict {
  kMore,       // nothing complete yet; `reason` says what is wrong with the bytes so far, if anything
  kAnswer,     // `pdu` answers the request
  kException,  // the unit refused with `exception`
  kForeign,    // a whole frame that answers something else: drop `consumed` bytes and go on
  kBroken      // meant for us and wrong, or not Modbus at all: this attempt has failed with `reason`
};

struct Judgement {
  Verdict verdict = Verdict::kMore;
  std::size_t consumed = 0;  // bytes of the buffer that are dealt with; 0 with kMore
  std::uint8_t exception = 0;
  const char* reason = nullptr;  // static text
  std::span<const std::uint8_t> pdu;
};

// Judges the bytes received since the request went out. On RTU, noise before a whole and right frame is tolerated
// (transceivers make some when the line turns round), because the CRC must fit all the same.
Judgement JudgeReply(Framing framing, std::span<const std::uint8_t> received, const Request& request,
                     std::uint16_t transaction);

// The reply frame that `bytes` begin with, if it is whole (and on RTU its CRC fits).
struct FrameHead {
  std::uint16_t transaction = 0;  // TCP only
  std::uint8_t unit = 0;
  std::size_t size = 0;
};
std::optional<FrameHead> WholeReply(Framing framing, std::span<const std::uint8_t> bytes);

// Registers and bits of a read reply that JudgeReply called an answer.
std::uint16_t RegisterAt(std::span<const std::uint8_t> pdu, std::size_t index);
bool BitAt(std::span<const std::uint8_t> pdu, std::size_t index);

// "exception 2 (illegal data address)"; static storage.
const char* ExceptionReason(std::uint8_t code);

}  // namespace penumbra::modbus
