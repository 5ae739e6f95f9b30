#include "i2c/tmp102/tmp102.hpp"

#include "chip_rig.hpp"

namespace penumbra::test {
namespace {

using namespace i2c;

TEST(Tmp102, ConvertsTheDatasheetsExamples) {
  // SBOS397C, tables 5 (12 bits) and 6 (13 bits): register value and temperature.
  struct Example {
    std::uint16_t twelve_bits, thirteen_bits;
    double celsius;
  };
  constexpr std::array<Example, 10> kExamples{{{0x640, 0x0640, 100},
                                               {0x500, 0x0500, 80},
                                               {0x4B0, 0x04B0, 75},
                                               {0x320, 0x0320, 50},
                                               {0x190, 0x0190, 25},
                                               {0x004, 0x0004, 0.25},
                                               {0x000, 0x0000, 0},
                                               {0xFFC, 0x1FFC, -0.25},
                                               {0xE70, 0x1E70, -25},
                                               {0xC90, 0x1C90, -55}}};
  for (const Example& example : kExamples) {
    const auto normal = static_cast<std::uint16_t>(example.twelve_bits << 4U);
    const auto extended = static_cast<std::uint16_t>(example.thirteen_bits << 3U | 1U);
    EXPECT_EQ(tmp102::Sixteenths(normal) / 16.0, example.celsius);
    EXPECT_EQ(tmp102::Sixteenths(extended) / 16.0, example.celsius);
  }
  EXPECT_EQ(tmp102::Sixteenths(0x7FF0) / 16.0, 127.9375);        // the most that 12 bits hold
  EXPECT_EQ(tmp102::Sixteenths(0x0960 << 3U | 1U) / 16.0, 150);  // table 6
}

TEST(Tmp102, ConvertsEveryRawValueIntoWhatTheRegisterCanHold) {
  for (int raw = 0; raw <= 65535; ++raw) {
    const double celsius = tmp102::Sixteenths(static_cast<std::uint16_t>(raw)) / 16.0;
    EXPECT_GE(celsius, -256);
    EXPECT_LT(celsius, 256);
  }
}

TEST(Tmp102, MeasuresWhatTheChipSees) {
  ChipRig rig(tmp102::kType, "tmp102", {{"address", 0x49}});
  for (const double celsius : {-40.0, -0.0625, 0.0, 21.5, 127.9375, 149.0}) {
    rig.chip().climate.temperature = celsius;
    EXPECT_EQ(rig.Value(Quantity::kTemperature), celsius);
  }
}

TEST(Tmp102, DoesNotGiveTheZeroThatTheRegisterHoldsAfterPowerUp) {
  ChipRig rig(tmp102::kType, "tmp102");
  rig.Replug("tmp102");
  EXPECT_EQ(rig.Value(Quantity::kTemperature), 21.5);
}

}  // namespace
}  // namespace penumbra::test
