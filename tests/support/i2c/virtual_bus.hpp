// The driver's bus on an emulated one, in virtual time: waits and transactions only move a clock. One thread.
#pragma once

#include <string>
#include <vector>

#include "penumbra/i2c.hpp"
#include "support/i2c/emulated_i2c.hpp"

namespace penumbra::test {

class VirtualBus : public i2c::Bus {
 public:
  static constexpr std::int64_t kStartNs = 1'000'000'000;

  i2c::Outcome Transfer(std::uint8_t address, std::span<i2c::Message> messages, const i2c::Budget& budget) override {
    if (cancelled) return {i2c::Fault::kCancelled, 0, {}};
    if (now_ns_ >= budget.deadline_ns) return {i2c::Fault::kDeadline, 0, {}};
    if (world.Owned(address)) return {i2c::Fault::kOwned, EBUSY, "a kernel driver"};
    std::vector<BusMessage> parts;
    for (const i2c::Message& message : messages) parts.push_back({message.read, {message.data, message.size}});
    const EmulatedI2c::Result result = world.Transfer(address, parts, now_ns_);
    now_ns_ += result.took_ns;
    return {i2c::FaultOf(result.error), result.error, {}};
  }
  i2c::Outcome Probe(std::uint8_t address, const i2c::Budget& budget) override {
    i2c::Message none{false, nullptr, 0};
    return Transfer(address, {&none, 1}, budget);
  }
  std::int64_t NowNs() override { return now_ns_; }
  i2c::Outcome Sleep(std::int64_t ns, const i2c::Budget& budget) override {
    if (cancelled) return {i2c::Fault::kCancelled, 0, {}};
    if (now_ns_ + ns > budget.deadline_ns) return {i2c::Fault::kDeadline, 0, {}};
    now_ns_ += ns;
    return {};
  }

  // A second from now, not cancelled.
  i2c::Budget Second() const { return {now_ns_ + 1'000'000'000, -1}; }
  void Advance(std::int64_t ns) { now_ns_ += ns; }

  EmulatedI2c world;
  bool cancelled = false;

 private:
  std::int64_t now_ns_ = kStartNs;
};

}  // namespace penumbra::test
