// A sysfs tree in a temporary folder, laid out as the kernel lays it out.
#include "hwmon/sysfs.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <random>

namespace penumbra::test {
namespace {

namespace fs = std::filesystem;
using namespace hwmon;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Sysfs : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(::testing::TempDir()) / ("penumbra-sysfs-" + std::to_string(::getpid()));
    fs::remove_all(root_);
    Hwmon("hwmon0", "sht3x", "1-0044", {{"temp1_input", "21537\n"}, {"humidity1_input", "45020\n"}});
    Hwmon("hwmon1", "nvme", "nvme0", {{"temp1_input", "-5000\n"}, {"temp2_input", "40850\n"}});
    Hwmon("hwmon2", "nvme", "nvme1", {{"temp1_input", "39850\n"}});
    Write("bus/iio/devices/iio:device0/name", "bme280\n");
    Write("bus/iio/devices/iio:device0/in_pressure_input", "101.325007812\n");
    Write("bus/iio/devices/iio:device0/in_temp_input", "23450\n");
    Write("bus/iio/devices/iio:device0/in_humidityrelative_input", "51234\n");
  }
  void TearDown() override { fs::remove_all(root_); }

  void Write(const fs::path& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path, std::ios::binary) << text;
  }
  void Hwmon(const std::string& node, const std::string& name, const std::string& device,
             const std::vector<std::pair<const char*, const char*>>& attributes) {
    const fs::path folder = fs::path("class/hwmon") / node;
    Write(folder / "name", name + "\n");
    fs::create_directories(root_ / "devices" / device);
    fs::create_symlink("../../../devices/" + device, root_ / folder / "device");
    for (const auto& [attribute, text] : attributes) Write(folder / attribute, text);
  }
  KernelChip Find(const std::string& name, const std::string& device = {}) {
    auto chip = FindChip(root_, name, device, why_);
    EXPECT_TRUE(chip) << why_;
    return chip.value_or(KernelChip{});
  }

  fs::path root_;
  std::string why_;
};

TEST_F(Sysfs, ReadsQuantitiesInTheGatewaysUnits) {
  EXPECT_EQ(ReadQuantity(Find("sht3x"), "temperature").value, 21.537);
  EXPECT_EQ(ReadQuantity(Find("sht3x"), "humidity").value, 45.02);
  EXPECT_EQ(ReadQuantity(Find("bme280"), "temperature").value, 23.45);
  EXPECT_EQ(ReadQuantity(Find("bme280"), "humidity").value, 51.234);
  EXPECT_EQ(ReadQuantity(Find("bme280"), "pressure").value, 1013.250078);
  EXPECT_EQ(ReadQuantity(Find("nvme", "nvme0"), "temperature").value, -5);
}

TEST_F(Sysfs, ReadsAnAttributeByItsName) {
  EXPECT_EQ(ReadAttribute(Find("nvme", "nvme0"), "temp2_input").value, 40.85);
}

TEST_F(Sysfs, ComputesRawIioValuesWithOffsetAndScale) {
  Write("bus/iio/devices/iio:device1/name", "hdc100x\n");
  Write("bus/iio/devices/iio:device1/in_temp_raw", "26214\n");
  Write("bus/iio/devices/iio:device1/in_temp_offset", "-15887.515151\n");
  Write("bus/iio/devices/iio:device1/in_temp_scale", "2.517700195\n");
  const auto value = ReadQuantity(Find("hdc100x"), "temperature").value;
  ASSERT_TRUE(value);
  EXPECT_NEAR(*value, 25.998993, 0.000002);
}

TEST_F(Sysfs, SaysWhichChipsThereAreWhenTheNameIsWrong) {
  EXPECT_FALSE(FindChip(root_, "sht4x", "", why_));
  EXPECT_THAT(why_, HasSubstr("no chip sht4x; there are sht3x (1-0044), nvme (nvme0), nvme (nvme1), bme280"));
}

TEST_F(Sysfs, AsksForTheDeviceWhenSeveralChipsHaveTheName) {
  EXPECT_FALSE(FindChip(root_, "nvme", "", why_));
  EXPECT_THAT(why_, HasSubstr("set device to one of nvme0, nvme1"));
  EXPECT_TRUE(FindChip(root_, "nvme", "nvme1", why_));
}

TEST_F(Sysfs, ListsWhatCanBeReadOfAChip) {
  EXPECT_THAT(AttributesOf(Find("sht3x")), ElementsAre("humidity1_input", "temp1_input"));
}

TEST_F(Sysfs, SaysWhyThereIsNoValue) {
  EXPECT_STREQ(ReadQuantity(Find("sht3x"), "pressure").reason, "the chip has no such quantity");
  EXPECT_STREQ(ReadAttribute(Find("sht3x"), "temp9_input").reason, "the chip has no such attribute");
  Write("class/hwmon/hwmon0/temp1_input", "many\n");
  EXPECT_STREQ(ReadQuantity(Find("sht3x"), "temperature").reason, "the attribute is no number");
  Write("class/hwmon/hwmon0/temp1_input", "");
  EXPECT_FALSE(ReadQuantity(Find("sht3x"), "temperature").value);
}

TEST(SysfsNumber, TakesNumbersAndNothingElse) {
  EXPECT_EQ(ParseNumber("21537\n"), 21537);
  EXPECT_EQ(ParseNumber("-0.5\n"), -0.5);
  EXPECT_EQ(ParseNumber(" 1e3 \n"), 1000);
  for (const char* text : {"", "\n", "x", "1 2", "12a", "nan", "inf", "-inf", "1e999", "0x10", "--1", "1\n2"}) {
    EXPECT_FALSE(ParseNumber(text)) << text;
  }
}

TEST(SysfsNumber, GivesNothingButFiniteNumbersForAMillionRandomTexts) {
  std::mt19937 random(7);
  constexpr char kLetters[] = "0123456789+-.eE \nxninf";
  int numbers = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    char text[12];
    const std::size_t size = random() % sizeof text;
    for (std::size_t k = 0; k < size; ++k) text[k] = kLetters[random() % (sizeof kLetters - 1)];
    const auto value = ParseNumber({text, size});
    if (!value) continue;
    ++numbers;
    ASSERT_TRUE(std::isfinite(*value));
  }
  EXPECT_GT(numbers, 1000);
}

}  // namespace
}  // namespace penumbra::test
