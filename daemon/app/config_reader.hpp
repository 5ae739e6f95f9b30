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
  using Load = std::function<LoadedConfig()>;

  // `loop` outlives it.
  ConfigReader(EventLoop& loop, Load load) : loop_(loop), load_(std::move(load)) {}
  // Waits for a reading under way, which has deadlines of its own (a few seconds for each driver).
  ~ConfigReader();

  // `done` on the loop, once, unless the reader is gone by then. A request while one is under way is not lost: the
  // files are read once more after it, and only that result is given, to the newest `done`.
  void Read(std::function<void(LoadedConfig)> done);

 private:
  void Start();
  void Finished(LoadedConfig loaded);

  EventLoop& loop_;
  const Load load_;
  std::thread thread_;
  bool running_ = false;
  bool again_ = false;
  std::function<void(LoadedConfig)> done_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace penumbra
