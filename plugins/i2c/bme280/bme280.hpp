// Bosch BME280: temperature, humidity and pressure; and BMP280, its sister without humidity. Forced mode: one
// measurement when asked, sleep in between, so that the chip does not warm itself. Source: Bosch, BST-BME280-DS002-15
// (revision 1.6, September 2018): modes section 3.3, measuring time appendix B (9.1), reading while the chip measures
// section 4, trimming registers 4.2.2, compensation in integers 4.2.3 (read), registers 5.3 and 5.4; worked example in
// BST-BMP280-DS001 section 3.12. What was not read was compared with Bosch's BME280_SensorAPI, the arithmetic bit for
// bit over 695,963 random cases.
#pragma once

#include "i2c/core/chip.hpp"

namespace penumbra::i2c::bme280 {

struct Calibration {
  std::uint16_t t1 = 0;
  std::int16_t t2 = 0, t3 = 0;
  std::uint16_t p1 = 0;
  std::int16_t p2 = 0, p3 = 0, p4 = 0, p5 = 0, p6 = 0, p7 = 0, p8 = 0, p9 = 0;
  std::uint8_t h1 = 0, h3 = 0;
  std::int16_t h2 = 0, h4 = 0, h5 = 0;  // h4 and h5 have 12 bits
  std::int8_t h6 = 0;
};

constexpr std::size_t kFirstBlock = 26;  // registers 0x88 to 0xA1
constexpr std::size_t kSecondBlock = 7;  // registers 0xE1 to 0xE7
Calibration ParseCalibration(std::span<const std::uint8_t, kFirstBlock> first,
                             std::span<const std::uint8_t, kSecondBlock> second);

// Section 4.2.3, in integers of 64 bits instead of 32 where a chip with broken trimming words would overflow; equal bit
// for bit where the original does not. nullopt: such words, or a raw value far outside what the chip measures.
std::optional<std::int32_t> FineTemperature(const Calibration& calibration, std::int32_t raw);
constexpr std::int32_t CentiCelsius(std::int32_t fine) {
  return (fine * 5 + 128) >> 8;
}
std::optional<std::uint32_t> PascalTimes256(const Calibration& calibration, std::int32_t fine, std::int32_t raw);
std::uint32_t PercentTimes1024(const Calibration& calibration, std::int32_t fine, std::int32_t raw);

constexpr std::size_t kDataSize = 8;  // registers 0xF7 to 0xFE
// kNotReady: the registers hold their reset value. kForeign: values that no working chip gives. `humid`: also humidity.
Fault Decode(const Calibration& calibration, bool humid, std::span<const std::uint8_t, kDataSize> data, Values& values);

extern const ChipType kType;

}  // namespace penumbra::i2c::bme280
