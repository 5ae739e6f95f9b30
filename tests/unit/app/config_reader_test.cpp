#include "app/config_reader.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "support/virtual_loop.hpp"

namespace penumbra {
namespace {

LoadedConfig Named(std::string thing) {
  LoadedConfig loaded;
  loaded.settings.gateway.thing = std::move(thing);
  return loaded;
}

// Runs what the reader's thread posts until `ready`, with a limit that only a hang reaches.
template <typename Ready>
bool RunUntil(test::VirtualLoop& loop, Ready ready) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!ready() && std::chrono::steady_clock::now() < end) {
    loop.RunReady();
    std::this_thread::yield();
  }
  return ready();
}

TEST(ConfigReader, GivesTheResultOnTheLoop) {
  test::VirtualLoop loop;
  ConfigReader reader(loop, [](const std::filesystem::path& file) { return Named(file.string()); });
  std::string read;
  reader.Read("a.toml", [&read](const LoadedConfig& loaded) { read = loaded.settings.gateway.thing; });
  EXPECT_TRUE(RunUntil(loop, [&read] { return read == "a.toml"; }));
}

TEST(ConfigReader, ReadsAgainFromItsOwnAnswer) {
  test::VirtualLoop loop;
  ConfigReader reader(loop, [](const std::filesystem::path& file) { return Named(file.string()); });
  std::vector<std::string> read;
  reader.Read("a.toml", [&](const LoadedConfig& first) {
    read.push_back(first.settings.gateway.thing);
    reader.Read("b.toml", [&read](const LoadedConfig& second) { read.push_back(second.settings.gateway.thing); });
  });
  EXPECT_TRUE(RunUntil(loop, [&read] { return read.size() == 2; }));
  EXPECT_EQ(read, (std::vector<std::string>{"a.toml", "b.toml"}));
}

TEST(ConfigReader, SaysNothingAfterItsEnd) {
  test::VirtualLoop loop;
  bool called = false;
  {
    ConfigReader reader(loop, [](const std::filesystem::path&) { return Named("gateway-01"); });
    reader.Read("a.toml", [&called](const LoadedConfig&) { called = true; });
  }
  loop.RunReady();
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace penumbra
