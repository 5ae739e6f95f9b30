// I2C for sensor drivers: what can go wrong on the bus, by name; a deadline and a cancel descriptor for every wait; and
// the seam between a chip's code and the bus, so that the same code runs on a /dev/i2c-N (i2c_device.hpp) and on an
// emulated bus in a test. Header only: a driver outside the tree links nothing of ours. It knows no chip.
//
// Thread: the driver host's one bus thread. Source: NXP UM10204 (I2C-bus specification); the kernel's
// Documentation/i2c/fault-codes.rst for what an errno of an adapter means.
#ifndef PENUMBRA_I2C_HPP
#define PENUMBRA_I2C_HPP

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>
#include <string>

#include "penumbra/driver.h"

namespace penumbra::i2c {

// 7-bit addresses that a device may have; the others are reserved (UM10204, table 4).
constexpr int kFirstAddress = 0x08;
constexpr int kLastAddress = 0x77;

enum class Fault {
  kNone,
  kNoAnswer,     // nobody acknowledged the address, or the device refused a byte
  kArbitration,  // another master won the bus
  kTimeout,      // the adapter gave up: SCL or SDA is held low
  kBusy,         // the bus is not free, or another process has held its lock for too long
  kOwned,        // a kernel driver owns the address
  kBusGone,      // no such bus (now)
  kUnsupported,  // the adapter cannot do that
  kIo,           // the adapter failed and does not say how
  kCrc,          // the check sum of what the device sent is wrong
  kNotReady,     // the device answered that it has no result yet
  kForeign,      // another device than the configured one answers at the address
  kDeadline,     // our own time ran out
  kCancelled     // the host wants the call to end
};

// How one transaction ended. `note` says more where there is more to say; `error` is the adapter's errno, or 0.
struct Outcome {
  Fault fault = Fault::kNone;
  int error = 0;
  std::string note;
  bool ok() const { return fault == Fault::kNone; }
};

// Until when a call may last. Both belong to the host's request.
struct Budget {
  std::int64_t deadline_ns = 0;  // CLOCK_BOOTTIME, as Bus::NowNs()
  int cancel_fd = -1;            // readable: end early; -1: none
};

// One part of a transaction: bytes to the device, or from it into `data`.
struct Message {
  bool read = false;
  std::uint8_t* data = nullptr;
  std::uint16_t size = 0;
};

// Short and stable; what stands behind a bad point.
inline const char* Reason(Fault fault) {
  switch (fault) {
    case Fault::kNone:
      return "ok";
    case Fault::kNoAnswer:
      return "no answer (NACK)";
    case Fault::kArbitration:
      return "lost arbitration";
    case Fault::kTimeout:
      return "bus stuck (timeout)";
    case Fault::kBusy:
      return "bus busy";
    case Fault::kOwned:
      return "address owned by a kernel driver";
    case Fault::kBusGone:
      return "no such bus";
    case Fault::kUnsupported:
      return "not possible on this adapter";
    case Fault::kIo:
      return "adapter error";
    case Fault::kCrc:
      return "CRC error";
    case Fault::kNotReady:
      return "no result in time";
    case Fault::kForeign:
      return "another chip answers";
    case Fault::kDeadline:
      return "deadline";
    case Fault::kCancelled:
      return "cancelled";
  }
  return "adapter error";
}

// What it is in terms of the driver ABI.
inline penumbra_status StatusOf(Fault fault) {
  switch (fault) {
    case Fault::kNone:
      return PENUMBRA_OK;
    case Fault::kTimeout:
    case Fault::kNotReady:
    case Fault::kDeadline:
      return PENUMBRA_TIMEOUT;
    case Fault::kCancelled:
      return PENUMBRA_CANCELLED;
    case Fault::kUnsupported:
      return PENUMBRA_UNSUPPORTED;
    case Fault::kOwned:
    case Fault::kForeign:
      return PENUMBRA_REFUSED;
    default:
      return PENUMBRA_IO;
  }
}

// What an adapter's errno means (fault-codes.rst).
inline Fault FaultOf(int error) {
  switch (error) {
    case 0:
      return Fault::kNone;
    case ENXIO:
    case EREMOTEIO:
    case EPROTO:
      return Fault::kNoAnswer;
    case EAGAIN:
      return Fault::kArbitration;
    case ETIMEDOUT:
      return Fault::kTimeout;
    case EBUSY:
      return Fault::kBusy;
    case EOPNOTSUPP:
    case EINVAL:
      return Fault::kUnsupported;
    case ENODEV:
    case ENOENT:
    case EACCES:
    case ESHUTDOWN:
      return Fault::kBusGone;
    default:
      return Fault::kIo;
  }
}

inline std::string Hex(int address) {
  char text[8];
  std::snprintf(text, sizeof text, "0x%02x", static_cast<unsigned>(address) & 0xffU);
  return text;
}

class Bus {
 public:
  Bus() = default;
  Bus(const Bus&) = delete;
  Bus& operator=(const Bus&) = delete;
  virtual ~Bus() = default;

  // All messages in one transaction: START, the messages with repeated STARTs between them, STOP; nobody else on the
  // bus in between.
  virtual Outcome Transfer(std::uint8_t address, std::span<Message> messages, const Budget& budget) = 0;
  // Whether somebody acknowledges the address, without sending a byte that a device could take as a command.
  virtual Outcome Probe(std::uint8_t address, const Budget& budget) = 0;
  virtual std::int64_t NowNs() = 0;
  // Waits with the bus free. kDeadline at once when the time would not be enough, kCancelled early.
  virtual Outcome Sleep(std::int64_t ns, const Budget& budget) = 0;
};

// One chip on a bus, for the duration of one call: what a chip's code talks to.
class Device {
 public:
  Device(Bus& bus, std::uint8_t address, const Budget& budget) : bus_(bus), address_(address), budget_(budget) {}

  Outcome Write(std::span<const std::uint8_t> bytes) {
    std::uint8_t copy[kMaxWrite];
    if (bytes.size() > sizeof copy) return {Fault::kUnsupported, 0, "a write of more than 32 bytes"};
    std::memcpy(copy, bytes.data(), bytes.size());
    Message message{false, copy, static_cast<std::uint16_t>(bytes.size())};
    return bus_.Transfer(address_, {&message, 1}, budget_);
  }
  template <typename... Byte>
  Outcome WriteBytes(Byte... byte) {
    const std::uint8_t bytes[] = {static_cast<std::uint8_t>(byte)...};
    return Write(bytes);
  }
  Outcome Read(std::span<std::uint8_t> into) {
    Message message{true, into.data(), static_cast<std::uint16_t>(into.size())};
    return bus_.Transfer(address_, {&message, 1}, budget_);
  }
  // Register or command, repeated START, answer.
  Outcome WriteRead(std::span<const std::uint8_t> bytes, std::span<std::uint8_t> into) {
    std::uint8_t copy[kMaxWrite];
    if (bytes.size() > sizeof copy) return {Fault::kUnsupported, 0, "a write of more than 32 bytes"};
    std::memcpy(copy, bytes.data(), bytes.size());
    Message messages[] = {{false, copy, static_cast<std::uint16_t>(bytes.size())},
                          {true, into.data(), static_cast<std::uint16_t>(into.size())}};
    return bus_.Transfer(address_, messages, budget_);
  }
  Outcome ReadRegister(std::uint8_t reg, std::span<std::uint8_t> into) { return WriteRead({&reg, 1}, into); }
  Outcome SleepMs(std::int64_t ms) { return bus_.Sleep(ms * 1'000'000, budget_); }
  Outcome SleepUs(std::int64_t us) { return bus_.Sleep(us * 1'000, budget_); }

  std::int64_t NowNs() { return bus_.NowNs(); }
  std::uint8_t address() const { return address_; }

 private:
  static constexpr std::size_t kMaxWrite = 32;
  Bus& bus_;
  std::uint8_t address_;
  Budget budget_;
};

// CRC-8 with polynomial x^8 + x^5 + x^4 + 1 (0x31), most significant bit first, nothing added at the end. Sensirion,
// ASAIR and TI's HDC302x begin with 0xFF, HTU21D, Si7021 and SHT2x with 0.
constexpr std::uint8_t Crc8(std::span<const std::uint8_t> bytes, std::uint8_t crc = 0xFF) {
  for (const std::uint8_t byte : bytes) {
    crc = static_cast<std::uint8_t>(crc ^ byte);
    for (int bit = 0; bit < 8; ++bit) {
      crc = static_cast<std::uint8_t>((crc & 0x80U) != 0 ? (crc << 1U) ^ 0x31U : crc << 1U);
    }
  }
  return crc;
}

constexpr std::uint16_t BigEndian16(std::span<const std::uint8_t, 2> bytes) {
  return static_cast<std::uint16_t>(bytes[0] << 8U | bytes[1]);
}
constexpr std::uint16_t LittleEndian16(std::span<const std::uint8_t, 2> bytes) {
  return static_cast<std::uint16_t>(bytes[1] << 8U | bytes[0]);
}

}  // namespace penumbra::i2c

#endif
