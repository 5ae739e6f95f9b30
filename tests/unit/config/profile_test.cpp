#include <gtest/gtest.h>

#include "base/text.hpp"
#include "fake_drivers.hpp"

namespace penumbra {
namespace {

using test::Errors;
using test::OriginOf;
using test::TestFolder;

constexpr const char* kProfile = R"([profile]
name = "th"
driver = "modbus"
source = ["a test"]
[thing]
max_gap = 7
sample_interval = "5s"
[[point]]
name = "temperature"
address = 1
scale = 0.1
report = { deadband = 0.5, max_silence = "1m" }
[[point]]
name = "humidity"
address = 2
)";

constexpr const char* kHead = "[[bus]]\nname = \"m\"\ndriver = \"modbus\"\nhost = \"h\"\n";
constexpr const char* kThing = "[[thing]]\nname = \"a\"\nbus = \"m\"\nprofile = \"th\"\n";

LoadedConfig Load(const std::filesystem::path& file) {
  test::FakeDrivers drivers;
  return LoadConfig(file, drivers.Knowledge());
}

TEST(Profile, FaultsInsideItPointToItsFileAndAppearOnce) {
  const TestFolder folder;
  const auto profile = folder.Write("profiles/th.toml", std::string(kProfile) + "tabel = \"input\"\n");
  const std::string other = "[[thing]]\nname = \"b\"\nbus = \"m\"\nprofile = \"th\"\n";
  const std::string errors = Errors(Load(folder.Write("penumbra.toml", std::string(kHead) + kThing + other)));
  EXPECT_EQ(errors, profile.string() +
                        ":16:1: error: unknown key \"tabel\" in [[thing.point]] \"humidity\"; did you "
                        "mean \"table\"?\n");
}

TEST(Profile, ABrokenOneIsSaidAtTheThingAndBringsNoFurtherFaults) {
  const TestFolder folder;
  folder.Write("profiles/th.toml", "[profile\n");
  const LoadedConfig config = Load(folder.Write(
      "penumbra.toml", std::string(kHead) + kThing + "[[thing.point]]\nname = \"temperature\"\nscale = 1.0\n"));
  ASSERT_EQ(config.diagnostics.size(), 3U) << Errors(config);  // with the warning that there is no upstream
  EXPECT_EQ(test::LineOf(config, "profile \"th\" cannot be used"), 8);
  EXPECT_NE(Errors(config).find("th.toml:1:"), std::string::npos);
}

// The schema's text is data; the bound in the code is what everything else keeps.
TEST(SampleInterval, HasInTheFileTheBoundsThatEverybodyElseHas) {
  const TestFolder folder;
  folder.Write("profiles/th.toml", kProfile);
  const auto fits = [&folder](Duration interval) {
    const std::string line = "sample_interval = \"" + FormatDuration(interval) + "\"\n";
    return Load(folder.Write("penumbra.toml", std::string(kHead) + kThing + line)).Ok();
  };
  EXPECT_TRUE(fits(kMinSampleInterval));
  EXPECT_TRUE(fits(kMaxSampleInterval));
  EXPECT_FALSE(fits(kMinSampleInterval - std::chrono::milliseconds(1)));
  EXPECT_FALSE(fits(kMaxSampleInterval + std::chrono::seconds(1)));
}

TEST(Profile, MustNotSayWhichDeviceItIs) {
  const TestFolder folder;
  folder.Write("profiles/th.toml",
               "[profile]\nname = \"ht\"\ndriver = \"modbus\"\nsource = []\n[thing]\nname = \"x\"\n");
  const std::string errors = Errors(Load(folder.Write("penumbra.toml", std::string(kHead) + kThing)));
  EXPECT_NE(errors.find("th.toml:2:8: error: the profile is called \"ht\" but its file th.toml"), std::string::npos)
      << errors;
  EXPECT_NE(errors.find("th.toml:6:1: error: name does not belong in a profile"), std::string::npos) << errors;
}

TEST(Profile, AnUnknownOneListsThoseThereAre) {
  const TestFolder folder;
  folder.Write("profiles/sht20.toml", kProfile);
  folder.Write("profiles/pzem.toml", kProfile);
  const std::string errors = Errors(Load(folder.Write("penumbra.toml", std::string(kHead) + kThing)));
  EXPECT_NE(errors.find(":8:11: error: there is no profile \"th\"; there are pzem, sht20"), std::string::npos)
      << errors;
}

TEST(Profile, GivesPointsAndSettingsThatTheThingOverridesByName) {
  const TestFolder folder;
  folder.Write("profiles/th.toml", kProfile);
  const LoadedConfig config = Load(folder.Write("penumbra.toml", std::string(kHead) + kThing + R"(sample_interval = "9s"
[[thing.point]]
name = "dew_point"
address = 3
[[thing.point]]
name = "temperature"
offset = -1.5
report = { deadband = 0.1 }
)"));
  ASSERT_TRUE(config.Ok()) << Errors(config);
  const ThingSettings& thing = config.settings.things.at(0);
  EXPECT_EQ(thing.sample_interval, std::chrono::seconds(9));
  EXPECT_EQ(thing.driver_options, Json::parse(R"({"max_gap":7})"));
  ASSERT_EQ(thing.points.size(), 3U);
  EXPECT_EQ(thing.points[0].name, "temperature");
  EXPECT_EQ(thing.points[0].scale, 0.1);
  EXPECT_EQ(thing.points[0].offset, -1.5);
  EXPECT_EQ(thing.points[0].report.deadband, 0.1);
  EXPECT_EQ(thing.points[0].report.max_silence, std::chrono::minutes(1));
  EXPECT_EQ(thing.points[1].name, "humidity");
  EXPECT_EQ(thing.points[2].name, "dew_point");
  EXPECT_EQ(thing.primary, "temperature");
  EXPECT_EQ(OriginOf(config, "thing.a.max_gap"), "7 @ profile th (th.toml:6)");
  EXPECT_EQ(OriginOf(config, "thing.a.sample_interval"), "\"9s\" @ penumbra.toml:9");
  EXPECT_EQ(OriginOf(config, "thing.a.point.temperature.report.deadband"), "0.1 @ penumbra.toml:16");
  EXPECT_EQ(OriginOf(config, "thing.a.point.temperature.scale"), "0.1 @ profile th (th.toml:11)");
}

TEST(Profile, BesideTheConfigurationWinsOverTheInstalledOne) {
  const TestFolder folder;
  folder.Write("installed/th.toml", kProfile);
  const std::string paths = "[paths]\nprofiles = \"installed\"\n";
  const auto file = folder.Write("penumbra.toml", paths + kHead + kThing);
  EXPECT_EQ(Load(file).settings.things.at(0).points.size(), 2U);
  folder.Write("profiles/th.toml",
               "[profile]\nname = \"th\"\ndriver = \"modbus\"\nsource = []\n[[point]]\nname = \"x\"\naddress = 1\n");
  EXPECT_EQ(Load(file).settings.things.at(0).points.size(), 1U);
}

TEST(Profile, ASecondOverrideOfOnePointIsADuplicate) {
  const TestFolder folder;
  folder.Write("profiles/th.toml", kProfile);
  const std::string twice =
      "[[thing.point]]\nname = \"humidity\"\naddress = 5\n[[thing.point]]\nname = \"humidity\"\naddress = 6\n";
  const LoadedConfig config = Load(folder.Write("penumbra.toml", std::string(kHead) + kThing + twice));
  EXPECT_EQ(test::LineOf(config, "a second point is called \"humidity\""), 13) << Errors(config);
}

}  // namespace
}  // namespace penumbra
