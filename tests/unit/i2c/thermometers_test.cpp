// MCP9808 and LM75.
#include "chip_rig.hpp"
#include "i2c/lm75/lm75.hpp"
#include "i2c/mcp9808/mcp9808.hpp"

namespace penumbra::test {
namespace {

using namespace i2c;

TEST(Mcp9808, ConvertsSignAndSixteenthsWithoutTheAlertBits) {
  EXPECT_EQ(mcp9808::Sixteenths(0xC194) / 16.0, 25.25);
  EXPECT_EQ(mcp9808::Sixteenths(0x1E6C) / 16.0, -25.25);
  EXPECT_EQ(mcp9808::Sixteenths(0xE000) / 16.0, 0);
  EXPECT_EQ(mcp9808::Sixteenths(0x07D0) / 16.0, 125);
  for (int raw = 0; raw <= 65535; ++raw) {
    const double celsius = mcp9808::Sixteenths(static_cast<std::uint16_t>(raw)) / 16.0;
    EXPECT_TRUE(celsius >= -256 && celsius < 256);
  }
}

TEST(Mcp9808, MeasuresWhatItSeesAndNotTheZeroOfPowerUp) {
  ChipRig rig(mcp9808::kType, "mcp9808", {{"address", 0x1B}});
  rig.Replug("mcp9808");
  EXPECT_EQ(rig.Value(Quantity::kTemperature), 21.5);
  for (const double celsius : {-40.0, -0.0625, 99.9375}) {
    rig.chip().climate.temperature = celsius;
    EXPECT_EQ(rig.Value(Quantity::kTemperature), celsius);
  }
}

TEST(Mcp9808, IsWokenWhenSomebodyShutItDown) {
  ChipRig rig(mcp9808::kType, "mcp9808", {{"resolution", 0.5}});
  const std::array<std::uint8_t, 3> shutdown{0x01, 0x01, 0x00};
  rig.chip().Write(shutdown, rig.bus.NowNs());
  rig.chip().climate.temperature = 33;
  EXPECT_EQ(rig.Value(Quantity::kTemperature), 33);
}

TEST(Mcp9808, KnowsAnotherChipAtItsAddress) {
  ChipRig rig(mcp9808::kType, "mcp9808");
  rig.Unplug();
  rig.bus.world.Plug(0x18, "tmp102", rig.bus.NowNs());
  EXPECT_EQ(rig.Reason(), "another chip answers");
}

TEST(Lm75, ConvertsTheDatasheetsExamples) {
  // SNIS153, table 1: 125, 25, 0.5, 0, -0.5, -25, -55 Cel in nine bits.
  constexpr std::pair<std::uint16_t, double> kExamples[] = {{0x0FA, 125},  {0x032, 25},  {0x001, 0.5}, {0x000, 0},
                                                            {0x1FF, -0.5}, {0x1CE, -25}, {0x192, -55}};
  for (const auto& [nine_bits, celsius] : kExamples) {
    const auto word = static_cast<std::uint16_t>(nine_bits << 7U | 0x55U);  // the rest is anything
    EXPECT_EQ(lm75::Sixteenths(word, 9) / 16.0, celsius);
  }
}

TEST(Lm75, GivesAsManyBitsAsItIsTold) {
  ChipRig coarse(lm75::kType, "lm75"), fine(lm75::kType, "lm75", {{"bits", 11}, {"address", 0x4F}});
  for (ChipRig* rig : {&coarse, &fine}) rig->chip().climate.temperature = 21.625;
  EXPECT_EQ(coarse.Value(Quantity::kTemperature), 21.5);
  EXPECT_EQ(fine.Value(Quantity::kTemperature), 21.625);
  fine.chip().climate.temperature = -10.125;
  EXPECT_EQ(fine.Value(Quantity::kTemperature), -10.125);
}

TEST(Lm75, IsWokenWhenSomebodyShutItDown) {
  ChipRig rig(lm75::kType, "lm75");
  const std::array<std::uint8_t, 2> shutdown{0x01, 0x01};
  rig.chip().Write(shutdown, rig.bus.NowNs());
  EXPECT_EQ(rig.Value(Quantity::kTemperature), 21.5);
}

}  // namespace
}  // namespace penumbra::test
