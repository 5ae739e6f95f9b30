// What is shipped must load: the example configuration as it is and with everything commented in, and each profile.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "fake_drivers.hpp"

namespace penumbra {
namespace {

namespace fs = std::filesystem;

const fs::path kConfig = fs::path(PENUMBRA_SOURCE_DIR) / "config";

LoadedConfig Load(const fs::path& file) {
  test::FakeDrivers drivers;
  return LoadConfig(file, drivers.Knowledge());
}

TEST(Shipped, TheExampleLoadsWithoutAWarning) {
  const LoadedConfig config = Load(kConfig / "penumbra.toml");
  EXPECT_TRUE(config.diagnostics.empty()) << test::Errors(config) << test::Warnings(config);
  EXPECT_EQ(config.settings.things.size(), 1U);
}

TEST(Shipped, TheExampleLoadsWithItsCommentedKeysToo) {
  const test::TestFolder folder;
  std::ifstream in(kConfig / "penumbra.toml");
  std::string text;
  for (std::string line; std::getline(in, line);) {
    const bool is_key = line.starts_with("# [[") || (line.starts_with("# ") && line.find(" = ") != std::string::npos);
    text += (is_key ? line.substr(2) : line) + "\n";
  }
  fs::create_directory_symlink(kConfig / "profiles", folder.path() / "profiles");
  const LoadedConfig config = Load(folder.Write("penumbra.toml", text));
  EXPECT_TRUE(config.diagnostics.empty()) << test::Errors(config) << test::Warnings(config);
  EXPECT_EQ(config.settings.things.size(), 2U);
  EXPECT_EQ(config.settings.things.back().points.size(), 2U);
}

TEST(Shipped, EveryProfileLoadsAndNamesASource) {
  int profiles = 0;
  for (const auto& entry : fs::directory_iterator(kConfig / "profiles")) {
    const std::string name = entry.path().stem().string();
    const test::TestFolder folder;
    fs::create_directory_symlink(kConfig / "profiles", folder.path() / "profiles");
    std::ifstream in(entry.path());
    std::stringstream text;
    text << in.rdbuf();
    const bool modbus = text.str().find("driver = \"modbus\"") != std::string::npos;
    const std::string bus =
        modbus ? "driver = \"modbus\"\nhost = \"h\"\n" : "driver = \"" + name + "\"\ndevice = \"/dev/i2c-1\"\n";
    const LoadedConfig config =
        Load(folder.Write("penumbra.toml", "[upstream]\nendpoint = \"localhost\"\n[[bus]]\nname = \"m\"\n" + bus +
                                               "[[thing]]\nname = \"a\"\nbus = \"m\"\nprofile = \"" + name + "\"\n"));
    EXPECT_TRUE(config.diagnostics.empty()) << name << "\n" << test::Errors(config) << test::Warnings(config);
    EXPECT_FALSE(config.settings.things.at(0).points.empty()) << name;
    EXPECT_NE(text.str().find("https://"), std::string::npos) << name << " names no source";
    ++profiles;
  }
  EXPECT_GE(profiles, 1);
}

}  // namespace
}  // namespace penumbra
