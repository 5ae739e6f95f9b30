// An I2C bus without hardware: chips as their datasheets describe them seen from the wire (commands, registers, CRC,
// measuring times, NACK while busy), and the faults of real buses. Time comes from outside, so that the same bus runs
// in virtual time inside a test (virtual_bus.hpp) and in real time in a process of its own (simulator.cpp).
// Written from the datasheets and not from the drivers: it shares no formula and no CRC code with them. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace penumbra::test {

// What the emulated world is like where the chips are.
struct Climate {
  double temperature = 21.5;  // Cel
  double humidity = 45;       // %
  double pressure = 1013.25;  // hPa
};

class ChipModel {
 public:
  ChipModel() = default;
  ChipModel(const ChipModel&) = delete;
  ChipModel& operator=(const ChipModel&) = delete;
  virtual ~ChipModel() = default;

  virtual void PowerOn(std::int64_t now_ns) = 0;
  // One message to or from the chip. False: not acknowledged.
  virtual bool Write(std::span<const std::uint8_t> bytes, std::int64_t now_ns) = 0;
  virtual bool Read(std::span<std::uint8_t> bytes, std::int64_t now_ns) = 0;

  Climate climate;
};

// nullptr: there is no model of that chip.
std::unique_ptr<ChipModel> MakeChipModel(const std::string& name);

struct BusFault {
  enum class Kind { kNone, kNack, kCrc, kArbitration, kBusy, kStuck, kStretch, kIo };
  Kind kind = Kind::kNone;
  int count = -1;             // transactions, -1: until it is taken back
  int address = -1;           // -1: all
  std::int64_t delay_ns = 0;  // kStuck: until the adapter gives up; kStretch: how long SCL is held low
};
// none, nack, crc, arbitration, busy, stuck, stretch, io. False: no such fault.
bool ParseFault(const std::string& name, BusFault::Kind& kind);

struct BusMessage {
  bool read = false;
  std::span<std::uint8_t> bytes;
};

class EmulatedI2c {
 public:
  // The adapter gives up when a chip holds SCL low longer than this.
  static constexpr std::int64_t kAdapterTimeoutNs = 1'000'000'000;

  struct Result {
    int error = 0;  // errno, as the adapter's driver has it
    std::int64_t took_ns = 0;
  };

  // The chip gets its power now.
  ChipModel& Plug(std::uint8_t address, const std::string& chip, std::int64_t now_ns);
  void PlugModel(std::uint8_t address, std::unique_ptr<ChipModel> model, std::int64_t now_ns);
  void Unplug(std::uint8_t address) { chips_.erase(address); }
  ChipModel* At(std::uint8_t address);
  // A kernel driver is bound to the address.
  void Own(std::uint8_t address) { owned_.insert(address); }
  bool Owned(std::uint8_t address) const { return owned_.count(address) != 0; }
  void SetFault(const BusFault& fault) { fault_ = fault; }
  // The whole adapter goes and comes back, as a USB one does; chips lose their power.
  void SetPresent(bool present, std::int64_t now_ns);
  bool present() const { return present_; }

  Result Transfer(std::uint8_t address, std::span<BusMessage> messages, std::int64_t now_ns);

  std::uint64_t transactions() const { return transactions_; }
  // Each message so far as "44 w 24 00", "44 r 66 6c 93 ...": for tests that ask what was on the wire.
  const std::vector<std::string>& trace() const { return trace_; }
  void ClearTrace() { trace_.clear(); }

 private:
  static constexpr std::size_t kMaxTrace = 4096;
  bool Hit(std::uint8_t address, std::span<const BusMessage> messages);
  Result Run(std::uint8_t address, std::span<BusMessage> messages, std::int64_t now_ns);
  void Note(std::uint8_t address, const BusMessage& message, bool acknowledged);

  std::map<std::uint8_t, std::unique_ptr<ChipModel>> chips_;
  std::set<std::uint8_t> owned_;
  BusFault fault_;
  bool present_ = true;
  std::uint64_t transactions_ = 0;
  std::vector<std::string> trace_;
};

}  // namespace penumbra::test
