// One chip of a kind on an emulated bus in virtual time, driven through the session that the driver uses.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "i2c/core/session.hpp"
#include "support/i2c/virtual_bus.hpp"

namespace penumbra::test {

class ChipRig {
 public:
  // `options`: members of the thing beside name and points. All quantities of the chip are points, in its order.
  explicit ChipRig(const i2c::ChipType& type, const std::string& model,
                   nlohmann::json options = nlohmann::json::object())
      : type_(type), address_(static_cast<std::uint8_t>(options.value("address", int{type.default_address}))) {
    bus.world.Plug(address_, model, bus.NowNs());
    bus.Advance(100'000'000);
    options["name"] = "sensor";
    for (const i2c::Measurand& measurand : type.measurands) {
      options["points"].push_back({{"name", i2c::NameOf(measurand.quantity)}});
    }
    const nlohmann::json all{{"bus", {{"device", "/dev/i2c-1"}, {"retries", retries}}}, {"things", {options}}};
    const auto parsed = i2c::ParseOptions(type, all.dump(), [](const std::string& pointer, const std::string& message) {
      ADD_FAILURE() << pointer << ": " << message;
    });
    session = std::make_unique<i2c::Session>(type, parsed.value(),
                                             [this](bool, const std::string& line) { log.push_back(line); });
  }

  std::vector<i2c::PointOutcome> Read() {
    std::vector<std::uint32_t> points(type_.measurands.size());
    std::iota(points.begin(), points.end(), 0U);
    std::vector<i2c::PointOutcome> results;
    EXPECT_TRUE(session->Read(bus, 0, points, bus.Second(), results));
    return results;
  }
  // The value of a quantity of a fresh measurement; NaN when it is bad.
  double Value(i2c::Quantity quantity) {
    const auto results = Read();
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (type_.measurands[i].quantity == quantity && results[i].value) return *results[i].value;
    }
    return std::numeric_limits<double>::quiet_NaN();
  }
  // Why the first point is bad, or "good".
  std::string Reason() {
    const auto results = Read();
    return results.front().value ? "good" : results.front().reason;
  }
  void SetFault(BusFault::Kind kind, int count = -1, std::int64_t delay_ns = 0) {
    bus.world.SetFault({kind, count, -1, delay_ns});
  }

  ChipModel& chip() { return *bus.world.At(address_); }
  void Replug(const std::string& model) { bus.world.Plug(address_, model, bus.NowNs()); }
  void Unplug() { bus.world.Unplug(address_); }
  const i2c::SensorCounters& counters() const { return session->sensors().front().counters(); }

  static constexpr int retries = 1;
  VirtualBus bus;
  std::vector<std::string> log;
  std::unique_ptr<i2c::Session> session;

 private:
  const i2c::ChipType& type_;
  std::uint8_t address_;
};

// Every value that came is finite and inside what the chip's datasheet allows, for a million answers with random bytes:
// `decode(random bytes, values)` answers a Fault.
template <std::size_t Size, typename Decode>
void DecodesRandomAnswers(Decode decode) {
  std::mt19937_64 random(20240617);
  for (int i = 0; i < 1'000'000; ++i) {
    std::array<std::uint8_t, (Size + 7) / 8 * 8> bytes;  // filled eight at a time: the loop is what takes its time
    for (std::size_t at = 0; at < bytes.size(); at += 8) {
      const std::uint64_t word = random();
      std::memcpy(bytes.data() + at, &word, 8);
    }
    i2c::Values values;
    const i2c::Fault fault = decode(std::span<std::uint8_t, Size>(bytes.data(), Size), values);
    for (const auto& value : values.of) {
      if (value && (fault != i2c::Fault::kNone || !std::isfinite(*value))) {
        FAIL() << "answer " << i << " gives " << *value << " with fault " << static_cast<int>(fault);
      }
    }
  }
}

// For the hot loop of a million: what EXPECT_TRUE does, only when it fails.
#define EXPECT_CHEAPLY(condition) \
  if (!(condition)) ADD_FAILURE() << #condition

}  // namespace penumbra::test
