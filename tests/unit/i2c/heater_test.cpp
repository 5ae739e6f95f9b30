// Heaters: what is sent to the chip, how often, and that values of a warm chip are told apart from those of its
// surroundings. The SHT3x has its own tests in sht3x_test.cpp.
#include "chip_rig.hpp"
#include "i2c/hdc1080/hdc1080.hpp"
#include "i2c/hdc302x/hdc302x.hpp"
#include "i2c/htu21d/htu21d.hpp"
#include "i2c/sht4x/sht4x.hpp"

namespace penumbra::test {
namespace {

using namespace i2c;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::int64_t kSecondNs = 1'000'000'000;

// What a chip's options are refused for; "" when they are not.
std::string Complaint(const ChipType& type, nlohmann::json options) {
  options["name"] = "sensor";
  options["points"] = {{{"name", "temperature"}}};
  std::string complaint;
  ParseOptions(type, nlohmann::json{{"bus", nlohmann::json::object()}, {"things", {options}}}.dump(),
               [&](const std::string& pointer, const std::string& text) { complaint += pointer + ": " + text; });
  return complaint;
}

long Count(const ChipRig& rig, const std::string& message) {
  const auto& trace = rig.bus.world.trace();
  return std::count(trace.begin(), trace.end(), message);
}

TEST(Sht4xHeater, IsNeverUsedUnlessAPowerIsConfigured) {
  ChipRig rig(sht4x::kType, "sht4x", {{"heater_interval_s", 2}, {"heater_pulse_ms", 100}});
  for (int i = 0; i < 100; ++i, rig.bus.Advance(kSecondNs)) EXPECT_EQ(rig.Read()[0].reason, nullptr);
  for (const char* command : {"39", "32", "2f", "24", "1e", "15"}) {
    EXPECT_EQ(Count(rig, std::string("44 w ") + command), 0) << command;
  }
}

TEST(Sht4xHeater, SendsTheCommandOfItsPowerAndLength) {
  // Datasheet SHT4x, table 8.
  struct Example {
    int milliwatts, milliseconds;
    const char* command;
  };
  for (const Example& example :
       {Example{200, 1000, "44 w 39"}, Example{200, 100, "44 w 32"}, Example{110, 1000, "44 w 2f"},
        Example{110, 100, "44 w 24"}, Example{20, 1000, "44 w 1e"}, Example{20, 100, "44 w 15"}}) {
    ChipRig rig(
        sht4x::kType, "sht4x",
        {{"heater_mw", example.milliwatts}, {"heater_pulse_ms", example.milliseconds}, {"heater_interval_s", 100}});
    rig.Read();
    rig.bus.Advance(100 * kSecondNs);
    rig.Read();
    EXPECT_EQ(Count(rig, example.command), 1) << example.command;
  }
}

TEST(Sht4xHeater, DoesNotHeatBeforeAWholeIntervalSoThatRestartsAddNothing) {
  ChipRig rig(sht4x::kType, "sht4x", {{"heater_mw", 20}, {"heater_interval_s", 60}});
  for (int i = 0; i < 59; ++i, rig.bus.Advance(kSecondNs)) rig.Read();
  EXPECT_EQ(Count(rig, "44 w 15"), 0);
}

TEST(Sht4xHeater, GivesNoValueDuringAPulseAndUncertainOnesUntilTheChipIsCold) {
  ChipRig rig(sht4x::kType, "sht4x", {{"heater_mw", 200}, {"heater_pulse_ms", 1000}, {"heater_interval_s", 300}});
  rig.Read();
  rig.bus.Advance(300 * kSecondNs);
  EXPECT_EQ(rig.Read()[0].reason, nullptr);  // measured before the pulse that it sends
  rig.bus.Advance(500'000'000);
  const PointOutcome during = rig.Read()[0];
  EXPECT_FALSE(during.value);
  EXPECT_STREQ(during.reason, "its heater is on");
  EXPECT_EQ(during.status, PENUMBRA_REFUSED);  // it did answer, and is not to be asked less for it
  rig.bus.Advance(kSecondNs);
  const PointOutcome after = rig.Read()[0];
  EXPECT_NEAR(after.value.value(), 33.5, 0.02);
  EXPECT_STREQ(after.reason, "still warm from its heater");
  rig.bus.Advance(61 * kSecondNs);
  EXPECT_EQ(rig.Read()[0].reason, nullptr);
  EXPECT_EQ(rig.Value(Quantity::kTemperature), 21.5);
  EXPECT_EQ(rig.counters().no_answers + rig.counters().other_faults + rig.counters().crc_errors, 0U);
  EXPECT_TRUE(rig.log.empty());
}

TEST(Sht4xHeater, IsOnForATenthOfTheTimeAtMostHoweverOftenItIsPolled) {
  ChipRig rig(sht4x::kType, "sht4x", {{"heater_mw", 110}, {"heater_pulse_ms", 1000}, {"heater_interval_s", 12}});
  const std::int64_t begun = rig.bus.NowNs();
  long pulses = 0;
  for (int i = 0; i < 5000; ++i, rig.bus.Advance(250'000'000)) {
    rig.Read();
    pulses += Count(rig, "44 w 2f");
    rig.bus.world.ClearTrace();
  }
  EXPECT_GT(pulses, 50);
  EXPECT_LE(static_cast<double>(pulses) * 1.1, 0.1 * static_cast<double>(rig.bus.NowNs() - begun) / kSecondNs);
}

TEST(Sht4xHeater, StaysOffWhereItWouldMakeTheChipTooHot) {
  ChipRig rig(sht4x::kType, "sht4x", {{"heater_mw", 200}, {"heater_interval_s", 100}});
  rig.chip().climate.temperature = 65.1;
  rig.Read();
  rig.bus.Advance(200 * kSecondNs);
  rig.Read();
  EXPECT_EQ(Count(rig, "44 w 32"), 0);
  rig.chip().climate.temperature = 64.5;
  rig.Read();
  EXPECT_EQ(Count(rig, "44 w 32"), 1);
}

// An SHT4x that does not acknowledge its first heater command.
class StubbornSht4x : public ChipModel {
 public:
  void PowerOn(std::int64_t now_ns) override { chip_->PowerOn(now_ns); }
  bool Write(std::span<const std::uint8_t> bytes, std::int64_t now_ns) override {
    if (bytes.size() == 1 && bytes[0] == 0x32 && !refused_) {
      refused_ = true;
      return false;
    }
    return chip_->Write(bytes, now_ns);
  }
  bool Read(std::span<std::uint8_t> bytes, std::int64_t now_ns) override { return chip_->Read(bytes, now_ns); }
  bool refused() const { return refused_; }

 private:
  std::unique_ptr<ChipModel> chip_ = MakeChipModel("sht4x");
  bool refused_ = false;
};

TEST(Sht4xHeater, APulseThatWasNotTakenSpoilsNoValueAndIsSentAgain) {
  ChipRig rig(sht4x::kType, "sht4x", {{"heater_mw", 200}, {"heater_interval_s", 100}});
  auto model = std::make_unique<StubbornSht4x>();
  const StubbornSht4x& chip = *model;
  rig.bus.world.PlugModel(0x44, std::move(model), rig.bus.NowNs());
  rig.bus.Advance(kSecondNs);
  rig.Read();
  rig.bus.Advance(100 * kSecondNs);
  EXPECT_EQ(rig.Read()[0].reason, nullptr);
  EXPECT_TRUE(chip.refused());
  rig.bus.Advance(kSecondNs);
  EXPECT_EQ(rig.Read()[0].reason, nullptr);  // and sends it again
  rig.bus.Advance(50'000'000);
  EXPECT_STREQ(rig.Read()[0].reason, "its heater is on");
}

TEST(Sht4xHeater, AnIntervalOfMoreThanATenthOfThePulsesIsRefused) {
  EXPECT_THAT(
      Complaint(sht4x::kType, {{"heater_mw", 20}, {"heater_pulse_ms", 1000}, {"heater_interval_s", 11}}),
      HasSubstr("/things/0/heater_interval_s: the heater may be on for a tenth of the time at most: with pulses "
                "of 1000 ms the interval is 12 s or more"));
  EXPECT_EQ(Complaint(sht4x::kType, {{"heater_mw", 20}, {"heater_pulse_ms", 1000}, {"heater_interval_s", 12}}), "");
  EXPECT_EQ(Complaint(sht4x::kType, {{"heater_mw", 200}, {"heater_interval_s", 2}}), "");
  EXPECT_EQ(Complaint(sht4x::kType, {{"heater_pulse_ms", 1000}, {"heater_interval_s", 2}}), "");  // no heater at all
}

TEST(Hdc302xHeater, IsOffByDefaultAndTurnedOffWhenItWasOn) {
  ChipRig rig(hdc302x::kType, "hdc302x");
  const std::array<std::uint8_t, 2> on{0x30, 0x6D};
  ASSERT_TRUE(rig.chip().Write(on, rig.bus.NowNs()));
  EXPECT_STREQ(rig.Read()[0].reason, "still warm from its heater");
  rig.bus.Advance(61 * kSecondNs);
  EXPECT_EQ(rig.Read()[0].reason, nullptr);
  EXPECT_EQ(rig.Value(Quantity::kTemperature), 21.5);
  EXPECT_THAT(rig.bus.world.trace(), Contains("44 w 30 66"));
  EXPECT_THAT(rig.bus.world.trace(), Not(Contains("44 w 30 6d")));
}

TEST(Hdc302xHeater, IsConfiguredWithTheDatasheetsWordsAndCheckSumsBeforeItIsTurnedOn) {
  // SNAS778D, 7.3.7: full, half and quarter power with their CRC.
  const std::pair<int, const char*> examples[] = {
      {0x3FFF, "44 w 30 6e 3f ff 06"}, {0x03FF, "44 w 30 6e 03 ff 00"}, {0x009F, "44 w 30 6e 00 9f 96"}};
  for (const auto& [configuration, message] : examples) {
    ChipRig rig(hdc302x::kType, "hdc302x", {{"heater", true}, {"heater_configuration", configuration}});
    rig.Read();
    const auto& trace = rig.bus.world.trace();
    const auto configured = std::find(trace.begin(), trace.end(), message);
    const auto on = std::find(trace.begin(), trace.end(), "44 w 30 6d");
    ASSERT_NE(configured, trace.end()) << message;
    ASSERT_NE(on, trace.end()) << message;
    EXPECT_LT(configured - trace.begin(), on - trace.begin());
  }
}

TEST(Hdc302xHeater, WithoutAConfigurationIsAQuarterOfThePowerAndItsValuesAreUncertain) {
  ChipRig rig(hdc302x::kType, "hdc302x", {{"heater", true}});
  const PointOutcome warm = rig.Read()[0];
  EXPECT_GT(warm.value.value(), 22.5);
  EXPECT_STREQ(warm.reason, "its heater is on");
  EXPECT_THAT(rig.bus.world.trace(), Contains("44 w 30 6e 00 9f 96"));
}

TEST(Hdc302xHeater, IsTurnedOffForGoodWhenTheChipReachesAHundredDegrees) {
  ChipRig rig(hdc302x::kType, "hdc302x", {{"heater", true}, {"heater_configuration", 16383}});
  EXPECT_STREQ(rig.Read()[0].reason, "outside the chip's range");
  EXPECT_STREQ(rig.Read()[0].reason, "still warm from its heater");
  rig.bus.Advance(61 * kSecondNs);
  EXPECT_EQ(rig.Value(Quantity::kTemperature), 21.5);
  rig.SetFault(BusFault::Kind::kNack, 2);  // makes it set the chip up again
  rig.Read();
  rig.SetFault(BusFault::Kind::kNone);
  EXPECT_EQ(rig.Value(Quantity::kTemperature), 21.5);
  EXPECT_EQ(Count(rig, "44 w 30 6d"), 1);
}

TEST(Hdc302x, HasTheCheckSumOfTheDatasheetsExample) {
  const std::array<std::uint8_t, 2> threshold{0xE7, 0x41};  // 7.5.7.4: alert at 90 % and 65 Cel
  EXPECT_EQ(Crc8(threshold), 0x55);
}

TEST(OtherHeaters, MakeValuesUncertainWhileTheyAreOn) {
  ChipRig htu21d(htu21d::kType, "htu21d", {{"heater", true}}), hdc1080(hdc1080::kType, "hdc1080", {{"heater", true}});
  for (ChipRig* rig : {&htu21d, &hdc1080}) {
    EXPECT_STREQ(rig->Read()[0].reason, "its heater is on");
    EXPECT_TRUE(rig->Read()[1].value);
  }
  ChipRig cold(htu21d::kType, "htu21d");
  const std::array<std::uint8_t, 2> on{0xE6, 0x06};
  ASSERT_TRUE(cold.chip().Write(on, cold.bus.NowNs()));
  EXPECT_STREQ(cold.Read()[0].reason, "still warm from its heater");
  cold.bus.Advance(61 * kSecondNs);
  EXPECT_EQ(cold.Read()[0].reason, nullptr);
}

}  // namespace
}  // namespace penumbra::test
