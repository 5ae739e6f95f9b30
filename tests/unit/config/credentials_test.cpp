#include <gtest/gtest.h>

#include "fake_drivers.hpp"

namespace penumbra {
namespace {

Settings SettingsWith(const std::filesystem::path& folder) {
  Settings settings;
  settings.upstream.endpoint = "localhost";
  settings.upstream.root_ca = folder / "roots.pem";
  settings.gateway = {"gateway-01", folder / "gateway.crt", folder / "gateway.key"};
  ThingSettings thing;
  thing.name = "sensor-001";
  thing.certificate = folder / "a.crt";
  thing.private_key = folder / "a.key";
  settings.things.push_back(thing);
  return settings;
}

TEST(CheckCredentials, WarnsOfEveryMissingFileByThingAndPath) {
  const test::TestFolder folder;
  const std::vector<Diagnostic> warnings = CheckCredentials(SettingsWith(folder.path()));
  ASSERT_EQ(warnings.size(), 5U);
  for (const Diagnostic& warning : warnings) {
    EXPECT_TRUE(warning.warning);
    EXPECT_NE(warning.message.find("missing"), std::string::npos) << warning.message;
  }
  EXPECT_EQ(warnings[3].file, (folder.path() / "a.crt").string());
  EXPECT_TRUE(warnings[3].message.starts_with("thing sensor-001: certificate ")) << warnings[3].message;
}

TEST(CheckCredentials, NamesAKeyInATokenWithoutItsPin) {
  const test::TestFolder folder;
  Settings settings = SettingsWith(folder.path());
  settings.things[0].private_key = "pkcs11:token=gw;object=a?pin-value=73524&module-path=/nowhere.so";
  const std::vector<Diagnostic> warnings = CheckCredentials(settings);
  ASSERT_EQ(warnings.size(), 5U);
  EXPECT_EQ(warnings[4].file, "pkcs11:token=gw;object=a");
  EXPECT_EQ(warnings[4].message.find("73524"), std::string::npos) << warnings[4].message;
}

TEST(CheckCredentials, SaysNothingWhenNothingConnects) {
  Settings settings = SettingsWith("/nonexistent");
  settings.upstream.endpoint.clear();
  EXPECT_TRUE(CheckCredentials(settings).empty());
}

}  // namespace
}  // namespace penumbra
