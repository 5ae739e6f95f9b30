#include "app/config_reader.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

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
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!ready() && std::chrono::steady_clock::now() < end) {
    loop.RunReady();
    std::this_thread::yield();
  }
  return ready();
}

TEST(ConfigReader, GivesTheResultOnTheLoop) {
  test::VirtualLoop loop;
  ConfigReader reader(loop, [] { return Named("gateway-01"); });
  std::string read;
  reader.Read([&read](const LoadedConfig& loaded) { read = loaded.settings.gateway.thing; });
  EXPECT_TRUE(RunUntil(loop, [&read] { return read == "gateway-01"; }));
}

TEST(ConfigReader, ReadsOnceMoreForARequestThatComesInBetween) {
  test::VirtualLoop loop;
  std::promise<void> go;
  std::shared_future<void> gate(go.get_future());
  std::atomic<int> loads = 0;
  ConfigReader reader(loop, [gate, &loads] {
    gate.wait();
    return Named(std::to_string(++loads));
  });
  std::vector<std::string> read;
  const auto note = [&read](const LoadedConfig& loaded) { read.push_back(loaded.settings.gateway.thing); };
  reader.Read(note);
  reader.Read(note);
  reader.Read(note);
  go.set_value();
  EXPECT_TRUE(RunUntil(loop, [&read] { return !read.empty(); }));
  EXPECT_EQ(read, std::vector<std::string>{"2"});
}

TEST(ConfigReader, SaysNothingAfterItsEnd) {
  test::VirtualLoop loop;
  bool called = false;
  {
    ConfigReader reader(loop, [] { return Named("gateway-01"); });
    reader.Read([&called](const LoadedConfig&) { called = true; });
  }
  loop.RunReady();
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace penumbra
