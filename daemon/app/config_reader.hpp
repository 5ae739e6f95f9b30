// Reads the configuration again while the daemon runs. Reading asks the drivers for their schemas, which blocks, so it
// happens on a thread of its own; everything else on the loop thread. What becomes of the result is the caller's.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <thread>

#include "config/config.hpp"
#include "event/loop.hpp"

namespace penumbra {

class ConfigReader {
 public:
  // Stands in for LoadConfig in tests. Called on the reader's thread.
  using Load = std::function<LoadedConfig(const std::filesystem::path& file)>;

  // `loop` outlives it.
  ConfigReader(EventLoop& loop, Load load) : loop_(loop), load_(std::move(load)) {}
  // Waits for a reading under way, which has deadlines of its own (a few seconds for each driver).
  ~ConfigReader();

  // `done` on the loop, once, unless the reader is gone by then. One at a time: not before the last one is done.
  void Read(const std::filesystem::path& file, std::function<void(LoadedConfig)> done);

 private:
  void Finished(LoadedConfig loaded);

  EventLoop& loop_;
  const Load load_;
  std::thread thread_;
  std::function<void(LoadedConfig)> done_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace penumbra
