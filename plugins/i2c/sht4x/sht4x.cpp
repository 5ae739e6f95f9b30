#include "i2c/sht4x/sht4x.hpp"

#include <string>

#include "i2c/core/warmth.hpp"

namespace penumbra::i2c::sht4x {
namespace {

// Tables 5 and 8: command and longest measuring time.
struct Precision {
  const char* name;
  std::array<std::uint8_t, 1> command;
  std::int64_t time_us;
};
constexpr std::array<Precision, 3> kPrecisions{
    {{"high", {0xFD}, 8'300}, {"medium", {0xF6}, 4'500}, {"low", {0xE0}, 1'600}}};
constexpr std::array<std::uint8_t, 1> kReadSerial{0x89};
constexpr std::uint8_t kSoftReset = 0x94;
constexpr std::int64_t kCommandTimeUs = 1'000;  // table 5: also the time after a soft reset

// Table 8: power, length, command. A pulse ends with a measurement of its own.
struct Pulse {
  int milliwatts, milliseconds;
  std::uint8_t command;
};
constexpr std::array<Pulse, 6> kPulses{
    {{20, 100, 0x15}, {20, 1000, 0x1E}, {110, 100, 0x24}, {110, 1000, 0x2F}, {200, 100, 0x32}, {200, 1000, 0x39}}};
// The longest time of a pulse (table 5: a tenth more), and the measurement at its end.
constexpr std::int64_t LongestPulseNs(int milliseconds) {
  return milliseconds * 1'100'000LL + 8'300'000;
}
// Section 4.9: at most a tenth of the time, and only below 65 Cel, or the chip would get too hot.
constexpr std::int64_t kMostDuty = 10;
constexpr double kHottest = 65;

// When to heat. A pulse is due one interval after the first measurement and not at once: a gateway that is started
// again and again must not heat more often than one that runs. A reset of the chip changes nothing here.
class Heater {
 public:
  // nullptr: never.
  Heater(const Pulse* pulse, std::int64_t interval_ns) : pulse_(pulse), interval_ns_(interval_ns) {}

  bool Busy(std::int64_t now_ns) const { return now_ns < busy_until_ns_; }
  const char* Doubt(std::int64_t now_ns) const { return warmth_.Doubt(now_ns); }

  // After a measurement of `celsius`. A pulse that the chip does not take is sent after the next one: the measurement
  // is good all the same.
  void AfterMeasurement(Device& device, double celsius) {
    if (pulse_ == nullptr) return;
    const std::int64_t now_ns = device.NowNs();
    if (due_ns_ == 0) due_ns_ = now_ns + interval_ns_;
    if (now_ns < due_ns_ || celsius >= kHottest || !device.WriteBytes(pulse_->command).ok()) return;
    due_ns_ = now_ns + interval_ns_;
    busy_until_ns_ = device.NowNs() + LongestPulseNs(pulse_->milliseconds);
    warmth_.OnUntil(busy_until_ns_);
  }

 private:
  const Pulse* pulse_;
  std::int64_t interval_ns_;
  std::int64_t due_ns_ = 0, busy_until_ns_ = 0;
  Warmth warmth_;
};

class Sht4x : public Chip {
 public:
  Sht4x(const Precision& precision, const Heater& heater) : precision_(precision), heater_(heater) {}

  // Nothing is set up in this chip; the serial number shows that it is one (an SHT3x does not know the command).
  Outcome Init(Device& device) override {
    if (heater_.Busy(device.NowNs())) return {};  // it would not answer, and it has been set up before the pulse
    Values ignored;                               // two words with their check sums, too
    Outcome outcome = MeasurePair(device, {kReadSerial, kCommandTimeUs}, kScale, ignored);
    if (outcome.fault == Fault::kCrc) outcome.note = "serial number";
    return outcome;
  }

  Outcome Measure(Device& device, Values& values) override {
    values.doubt = heater_.Doubt(device.NowNs());
    if (heater_.Busy(device.NowNs())) {
      values.doubt = "its heater is on";
      return {};
    }
    const Outcome outcome = MeasurePair(device, {precision_.command, precision_.time_us}, kScale, values);
    if (outcome.ok()) heater_.AfterMeasurement(device, *values.Get(Quantity::kTemperature));
    return outcome;
  }

  Outcome Reset(Device& device) override {
    const Outcome outcome = device.WriteBytes(kSoftReset);
    return outcome.ok() ? device.SleepUs(kCommandTimeUs) : outcome;
  }

 private:
  const Precision& precision_;
  Heater heater_;
};

const Pulse* PulseOf(const nlohmann::json& thing) {
  for (const Pulse& pulse : kPulses) {
    if (pulse.milliwatts == thing.value("heater_mw", 0) && pulse.milliseconds == thing.value("heater_pulse_ms", 100)) {
      return &pulse;
    }
  }
  return nullptr;
}

std::int64_t IntervalNs(const nlohmann::json& thing) {
  return thing.value("heater_interval_s", std::int64_t{600}) * 1'000'000'000;
}

std::unique_ptr<Chip> Make(const nlohmann::json& thing) {
  return std::make_unique<Sht4x>(EntryNamed(kPrecisions, thing.value("precision", "high")),
                                 Heater(PulseOf(thing), IntervalNs(thing)));
}

void Check(const nlohmann::json& thing, const ComplainOfKey& complain) {
  const Pulse* pulse = PulseOf(thing);
  if (pulse == nullptr || IntervalNs(thing) >= kMostDuty * LongestPulseNs(pulse->milliseconds)) return;
  const std::int64_t least = kMostDuty * LongestPulseNs(pulse->milliseconds) / 1'000'000'000 + 1;
  complain("heater_interval_s", "the heater may be on for a tenth of the time at most: with pulses of " +
                                    std::to_string(pulse->milliseconds) + " ms the interval is " +
                                    std::to_string(least) + " s or more");
}

constexpr std::array<Measurand, 2> kMeasurands{{{Quantity::kTemperature, -40, 125}, {Quantity::kHumidity, 0, 100}}};
constexpr std::array<std::uint8_t, 3> kAddresses{0x44, 0x45, 0x46};

}  // namespace

const ChipType kType{
    .name = "sht4x",
    .title = "Sensirion SHT40, SHT41, SHT43, SHT45",
    .measurands = kMeasurands,
    .default_address = 0x44,
    .addresses = kAddresses,
    .thing_properties = R"("precision":{"type":"string","enum":["high","medium","low"],"default":"high",
      "description":"How well measurements repeat: high takes 8.3 ms (0.04 Cel, 0.08 %), medium 4.5 ms, low 1.6 ms (0.1 Cel, 0.25 %)."},
    "heater_mw":{"type":"integer","enum":[0,20,110,200],"default":0,"x-unit":"mW",
      "description":"Power of the pulses of the chip's heater (at 3.3 V), which dry a wet chip and keep it from creeping in very humid air; 0: none. Needs up to 75 mA. No pulse is given at 65 Cel and above. There are no values during a pulse, and for a minute after it they are uncertain."},
    "heater_pulse_ms":{"type":"integer","enum":[100,1000],"default":100,"x-unit":"ms",
      "description":"Length of a pulse."},
    "heater_interval_s":{"type":"integer","minimum":2,"maximum":604800,"default":600,"x-unit":"s",
      "description":"Time from one pulse to the next, and before the first; a pulse is sent with the next measurement. The heater may be on for a tenth of the time: 2 s or more with pulses of 100 ms, 12 s or more with 1000 ms. Less than 61 s leaves no value that is not uncertain."})",
    .make = Make,
    .check = Check,
};

}  // namespace penumbra::i2c::sht4x
