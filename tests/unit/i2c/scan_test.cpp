#include "i2c/core/scan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "support/i2c/virtual_bus.hpp"

namespace penumbra::test {
namespace {

using namespace i2c;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

class BusScan : public ::testing::Test {
 protected:
  void Plug(std::uint8_t address, const char* chip) { bus_.world.Plug(address, chip, 0); }
  Outcome Run() {
    found_.clear();
    return Scan(bus_, {bus_.NowNs() + 5'000'000'000, -1},
                [this](const Json& entry) { found_[entry["address"].get<std::string>()] = entry; });
  }
  VirtualBus bus_;
  std::map<std::string, Json> found_;
};

TEST_F(BusScan, IdentifiesWhatHasAnIdentityAndGuessesTheRest) {
  Plug(0x18, "mcp9808");
  Plug(0x38, "aht20");
  Plug(0x40, "hdc1080");
  Plug(0x44, "sht3x");
  Plug(0x45, "sht4x");
  Plug(0x46, "hdc302x");
  Plug(0x48, "tmp102");
  Plug(0x76, "bme280");
  EXPECT_TRUE(Run().ok());
  ASSERT_EQ(found_.size(), 8U);
  EXPECT_EQ(found_["0x18"]["chip"], "mcp9808");
  EXPECT_EQ(found_["0x40"]["chip"], "hdc1080");
  EXPECT_EQ(found_["0x44"]["chip"], "sht3x");
  EXPECT_EQ(found_["0x45"]["chip"], "sht4x");
  EXPECT_EQ(found_["0x46"]["chip"], "hdc302x");
  EXPECT_EQ(found_["0x76"]["chip"], "bme280");
  EXPECT_EQ(found_["0x38"]["likely"], Json::array({"aht20"}));
  EXPECT_FALSE(found_["0x38"].contains("chip"));
  EXPECT_EQ(found_["0x48"]["likely"], Json::array({"tmp102", "lm75"}));
}

// A Si7021 or HTU21D takes 0xFE for a reset, and 0xE6 for a write of its settings.
TEST_F(BusScan, SendsAnHtu21dNothingThatResetsIt) {
  Plug(0x40, "htu21d");
  EXPECT_TRUE(Run().ok());
  EXPECT_FALSE(found_["0x40"].contains("chip"));
  for (const std::string& line : bus_.world.trace()) {
    EXPECT_THAT(line, Not(HasSubstr("40 w fe")));
    EXPECT_THAT(line, Not(HasSubstr("40 w e6")));
  }
}

TEST_F(BusScan, WritesNothingButRegisterNumbersAndReadCommands) {
  Plug(0x18, "mcp9808");
  Plug(0x40, "htu21d");
  Plug(0x44, "sht3x");
  Plug(0x48, "tmp102");
  Plug(0x76, "bme280");
  EXPECT_TRUE(Run().ok());
  for (const std::string& line : bus_.world.trace()) {
    if (line[3] != 'w') continue;
    const std::string bytes = line.substr(4);
    EXPECT_THAT(bytes,
                ::testing::AnyOf("", " 06", " 07", " ff", " f3 2d", " 37 81", " 37 81 NACK", " 89", " 89 NACK", " d0"))
        << line;
  }
}

// Every byte that is written to it switches channels, so none may be.
TEST_F(BusScan, LeavesAMultiplexerAlone) {
  class Multiplexer : public ChipModel {
   public:
    void PowerOn(std::int64_t) override {}
    bool Write(std::span<const std::uint8_t> bytes, std::int64_t) override { return bytes.empty() || (touched = true); }
    bool Read(std::span<std::uint8_t> bytes, std::int64_t) override {
      std::fill(bytes.begin(), bytes.end(), 0x04);
      return true;
    }
    bool touched = false;
  };
  auto model = std::make_unique<Multiplexer>();
  Multiplexer& multiplexer = *model;
  bus_.world.PlugModel(0x77, std::move(model), 0);
  EXPECT_TRUE(Run().ok());
  EXPECT_FALSE(multiplexer.touched);
  EXPECT_THAT(found_["0x77"]["why"].get<std::string>(), HasSubstr("multiplexer"));
}

TEST_F(BusScan, NamesAddressesOfKernelDriversWithoutTouchingThem) {
  Plug(0x44, "sht3x");
  bus_.world.Own(0x44);
  EXPECT_TRUE(Run().ok());
  EXPECT_EQ(found_["0x44"]["state"], "kernel driver");
  EXPECT_TRUE(bus_.world.trace().empty());
}

TEST_F(BusScan, EndsWithTheDeadlineOnAStuckBusAndSaysWhy) {
  bus_.world.SetFault({BusFault::Kind::kStuck, -1, -1, 1'000'000'000});
  EXPECT_EQ(Run().fault, Fault::kTimeout);
  EXPECT_LE(bus_.world.transactions(), 3U);
}

}  // namespace
}  // namespace penumbra::test
