#include "support/i2c/emulated_i2c.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <stdexcept>
#include <utility>

namespace penumbra::test {
namespace {

// 100 kHz, nine bits a byte.
constexpr std::int64_t kByteNs = 90'000;

constexpr std::pair<const char*, BusFault::Kind> kFaultNames[] = {
    {"none", BusFault::Kind::kNone},       {"nack", BusFault::Kind::kNack},
    {"crc", BusFault::Kind::kCrc},         {"arbitration", BusFault::Kind::kArbitration},
    {"busy", BusFault::Kind::kBusy},       {"stuck", BusFault::Kind::kStuck},
    {"stretch", BusFault::Kind::kStretch}, {"io", BusFault::Kind::kIo}};

}  // namespace

bool ParseFault(const std::string& name, BusFault::Kind& kind) {
  for (const auto& [known, value] : kFaultNames) {
    if (name != known) continue;
    kind = value;
    return true;
  }
  return false;
}

ChipModel& EmulatedI2c::Plug(std::uint8_t address, const std::string& chip, std::int64_t now_ns) {
  std::unique_ptr<ChipModel> model = MakeChipModel(chip);
  if (model == nullptr) throw std::invalid_argument("no model of the chip " + chip);
  if (ChipModel* before = At(address)) model->climate = before->climate;
  PlugModel(address, std::move(model), now_ns);
  return *At(address);
}

void EmulatedI2c::PlugModel(std::uint8_t address, std::unique_ptr<ChipModel> model, std::int64_t now_ns) {
  model->PowerOn(now_ns);
  chips_[address] = std::move(model);
}

ChipModel* EmulatedI2c::At(std::uint8_t address) {
  const auto found = chips_.find(address);
  return found == chips_.end() ? nullptr : found->second.get();
}

void EmulatedI2c::SetPresent(bool present, std::int64_t now_ns) {
  if (present && !present_) {
    for (auto& [address, chip] : chips_) chip->PowerOn(now_ns);
  }
  present_ = present;
}

bool EmulatedI2c::Hit(std::uint8_t address, std::span<const BusMessage> messages) {
  if (fault_.kind == BusFault::Kind::kNone || fault_.count == 0) return false;
  const bool reads =
      std::any_of(messages.begin(), messages.end(), [](const BusMessage& message) { return message.read; });
  if (fault_.kind == BusFault::Kind::kCrc && !reads) return false;
  if (fault_.address >= 0 && fault_.address != address) return false;
  if (fault_.count > 0) --fault_.count;
  return true;
}

EmulatedI2c::Result EmulatedI2c::Transfer(std::uint8_t address, std::span<BusMessage> messages, std::int64_t now_ns) {
  ++transactions_;
  if (!present_) return {EIO, 0};
  if (!Hit(address, messages)) return Run(address, messages, now_ns);
  switch (fault_.kind) {
    case BusFault::Kind::kNack:
      return {ENXIO, kByteNs};
    case BusFault::Kind::kArbitration:
      return {EAGAIN, kByteNs};
    case BusFault::Kind::kBusy:
      return {EBUSY, 0};
    case BusFault::Kind::kIo:
      return {EIO, 0};
    case BusFault::Kind::kStuck:
      return {ETIMEDOUT, fault_.delay_ns > 0 ? fault_.delay_ns : kAdapterTimeoutNs};
    case BusFault::Kind::kStretch: {
      if (fault_.delay_ns > kAdapterTimeoutNs) return {ETIMEDOUT, kAdapterTimeoutNs};
      Result result = Run(address, messages, now_ns + fault_.delay_ns);
      result.took_ns += fault_.delay_ns;
      return result;
    }
    default:
      break;
  }
  const Result result = Run(address, messages, now_ns);
  for (BusMessage& message : messages) {  // kCrc: one bit of what came is wrong
    if (message.read && !message.bytes.empty()) message.bytes[0] ^= 0x20;
  }
  return result;
}

EmulatedI2c::Result EmulatedI2c::Run(std::uint8_t address, std::span<BusMessage> messages, std::int64_t now_ns) {
  ChipModel* chip = At(address);
  Result result{chip == nullptr ? ENXIO : 0, kByteNs};
  for (BusMessage& message : messages) {
    if (result.error != 0) break;
    const bool acknowledged = message.read ? chip->Read(message.bytes, now_ns + result.took_ns)
                                           : chip->Write(message.bytes, now_ns + result.took_ns);
    result.took_ns += kByteNs * static_cast<std::int64_t>(message.bytes.size() + 1);
    if (!acknowledged) result.error = ENXIO;
    Note(address, message, acknowledged);
  }
  return result;
}

void EmulatedI2c::Note(std::uint8_t address, const BusMessage& message, bool acknowledged) {
  if (trace_.size() >= kMaxTrace) return;
  char text[8];
  std::snprintf(text, sizeof text, "%02x %c", address, message.read ? 'r' : 'w');
  std::string line = text;
  for (const std::uint8_t byte : message.bytes) {
    std::snprintf(text, sizeof text, " %02x", byte);
    line += text;
  }
  trace_.push_back(acknowledged ? line : line + " NACK");
}

}  // namespace penumbra::test
