#include "app/config_reader.hpp"

#include <utility>

namespace penumbra {

ConfigReader::~ConfigReader() {
  if (thread_.joinable()) thread_.join();
}

void ConfigReader::Read(std::function<void(LoadedConfig)> done) {
  done_ = std::move(done);
  again_ = running_;
  if (!running_) Start();
}

void ConfigReader::Start() {
  if (thread_.joinable()) thread_.join();
  running_ = true;
  again_ = false;
  thread_ = std::thread([this, &loop = loop_, weak = std::weak_ptr(alive_), load = load_] {
    // A shared_ptr, because std::function wants to be copyable.
    auto loaded = std::make_shared<LoadedConfig>(load());
    loop.Post([this, weak, loaded] {
      if (!weak.expired()) Finished(std::move(*loaded));
    });
  });
}

void ConfigReader::Finished(LoadedConfig loaded) {
  running_ = false;
  if (again_) return Start();
  if (const auto done = std::exchange(done_, {})) done(std::move(loaded));
}

}  // namespace penumbra
