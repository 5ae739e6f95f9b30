// Bytes from a device: every chip's driver is set up, measured and reset on a bus that answers with the input, and the
// bus is scanned. The first byte chooses the chip, and whether it heats. Whatever comes, values are finite and inside
// the chip's range, and every call ends.
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "i2c/aht20/aht20.hpp"
#include "i2c/bme280/bme280.hpp"
#include "i2c/core/scan.hpp"
#include "i2c/core/session.hpp"
#include "i2c/hdc1080/hdc1080.hpp"
#include "i2c/hdc302x/hdc302x.hpp"
#include "i2c/htu21d/htu21d.hpp"
#include "i2c/lm75/lm75.hpp"
#include "i2c/mcp9808/mcp9808.hpp"
#include "i2c/sht3x/sht3x.hpp"
#include "i2c/sht4x/sht4x.hpp"
#include "i2c/tmp102/tmp102.hpp"

namespace {

using namespace penumbra::i2c;

void Require(bool holds) {
  if (!holds) std::abort();
}

// Each transaction that reads takes a byte that says how it ends, and then its bytes; without input there is no answer.
// Check sums are put right when the ending byte says so, as no random byte would.
class InputBus : public Bus {
 public:
  explicit InputBus(std::span<const std::uint8_t> input) : input_(input) {}
  Outcome Transfer(std::uint8_t, std::span<Message> messages, const Budget& budget) override {
    now_ns_ += 100'000;
    if (now_ns_ >= budget.deadline_ns) return {Fault::kDeadline, 0, {}};
    for (const Message& message : messages) {
      if (!message.read) continue;
      if (input_.empty()) return {Fault::kNoAnswer, ENXIO, {}};
      const std::uint8_t how = Take();
      if (how < 8) return {FaultOf(how), how, {}};
      for (std::size_t i = 0; i < message.size; ++i) message.data[i] = Take();
      if (how % 2 == 0) return {};
      const std::uint8_t start = how % 4 == 1 ? 0xFF : 0;
      for (std::size_t i = 0; i + 2 < message.size; i += 3) {
        message.data[i + 2] = Crc8({message.data + i, 2}, start);
      }
      if (message.size == 7) message.data[6] = Crc8({message.data, 6}, start);
    }
    return {};
  }
  Outcome Probe(std::uint8_t, const Budget& budget) override {
    now_ns_ += 100'000;
    if (now_ns_ >= budget.deadline_ns) return {Fault::kDeadline, 0, {}};
    return input_.empty() || Take() % 2 == 0 ? Outcome{Fault::kNoAnswer, ENXIO, {}} : Outcome{};
  }
  std::int64_t NowNs() override { return now_ns_; }
  Outcome Sleep(std::int64_t ns, const Budget& budget) override {
    if (now_ns_ + ns > budget.deadline_ns) return {Fault::kDeadline, 0, {}};
    now_ns_ += ns;
    return {};
  }

 private:
  std::uint8_t Take() {
    if (input_.empty()) return 0;
    const std::uint8_t byte = input_.front();
    input_ = input_.subspan(1);
    return byte;
  }
  std::span<const std::uint8_t> input_;
  std::int64_t now_ns_ = 0;
};

// Every chip's own options for its heater; no wait between pulses, which the schema would not allow.
nlohmann::json Options(bool heat) {
  if (!heat) return nlohmann::json::object();
  return {{"heater", true}, {"heater_mw", 200}, {"heater_interval_s", 0}};
}

void Measure(const ChipType& type, bool heat, std::span<const std::uint8_t> input) {
  InputBus bus(input);
  BusOptions options;
  options.things.push_back({"fuzz", type.default_address, 1, Options(heat), {}});
  std::vector<std::uint32_t> points;
  for (const Measurand& measurand : type.measurands) {
    points.push_back(static_cast<std::uint32_t>(points.size()));
    options.things[0].points.push_back(measurand.quantity);
  }
  Session session(type, options, [](bool, const std::string&) {});
  for (int poll = 0; poll < 4; ++poll) {
    std::vector<PointOutcome> results;
    Require(session.Read(bus, 0, points, {bus.NowNs() + 2'000'000'000, -1}, results));
    Require(results.size() == points.size());
    for (std::size_t i = 0; i < results.size(); ++i) {
      Require(results[i].value.has_value() || results[i].reason != nullptr);
      Require(results[i].value.has_value() == (results[i].status == PENUMBRA_OK));
      if (!results[i].value) continue;
      Require(std::isfinite(*results[i].value));
      Require(*results[i].value >= type.measurands[i].min && *results[i].value <= type.measurands[i].max);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const ChipType* const kTypes[] = {&aht20::kType,  &bme280::kType, &hdc1080::kType, &hdc302x::kType,
                                           &htu21d::kType, &lm75::kType,   &mcp9808::kType, &sht3x::kType,
                                           &sht4x::kType,  &tmp102::kType};
  if (size == 0) return 0;
  const std::span<const std::uint8_t> input(data + 1, size - 1);
  const std::size_t choice = data[0] % 128 % (std::size(kTypes) + 1);
  if (choice < std::size(kTypes)) {
    Measure(*kTypes[choice], data[0] >= 128, input);
  } else {
    InputBus bus(input);
    Scan(bus, {5'000'000'000, -1}, [](const nlohmann::json& entry) { Require(entry.contains("address")); });
  }
  return 0;
}
