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
  // DS25095A, 5.1.3: magnitude in sixteenths below the sign bit, which counts for -256.
  for (int raw = 0; raw <= 65535; ++raw) {
    const double celsius = (raw & 0x0FFF) / 16.0 - ((raw & 0x1000) != 0 ? 256 : 0);
    EXPECT_EQ(mcp9808::Sixteenths(static_cast<std::uint16_t>(raw)) / 16.0, celsius);
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
  const auto expect = [](int bits, std::initializer_list<std::pair<unsigned, double>> examples) {
    for (const auto& [value, celsius] : examples) {
      const unsigned unused = 16U - static_cast<unsigned>(bits);
      const auto word =
          static_cast<std::uint16_t>(value << unused | (0x55U & ((1U << unused) - 1)));  // the rest is anything
      EXPECT_EQ(lm75::Sixteenths(word, bits) / 16.0, celsius) << bits << " bits";
    }
  };
  // SNIS153B, page 9, and STLM75, table 3.
  expect(
      9,
      {{0x0FA, 125}, {0x032, 25}, {0x001, 0.5}, {0x000, 0}, {0x1FF, -0.5}, {0x1CE, -25}, {0x1B0, -40}, {0x192, -55}});
  // NXP LM75B, section 7.4.3: 0.125 Cel.
  expect(11, {{0x3E8, 125}, {0x0C8, 25}, {0x001, 0.125}, {0x000, 0}, {0x7FF, -0.125}, {0x738, -25}, {0x648, -55}});
  // SBOS288M (TMP75), table 7-1.
  expect(12, {{0x7FF, 127.9375},
              {0x640, 100},
              {0x500, 80},
              {0x4B0, 75},
              {0x320, 50},
              {0x190, 25},
              {0x004, 0.25},
              {0x000, 0},
              {0xFFC, -0.25},
              {0xE70, -25},
              {0xC90, -55}});
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
