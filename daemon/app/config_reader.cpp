#include "app/config_reader.hpp"

#include <utility>

namespace penumbra {

ConfigReader::~ConfigReader() {
  if (thread_.joinable()) thread_.join();
}

void ConfigReader::Read(const std::filesystem::path& file, std::function<void(LoadedConfig)> done) {
  if (thread_.joinable()) thread_.join();
  done_ = std::move(done);
  thread_ = std::thread([this, &loop = loop_, weak = std::weak_ptr(alive_), load = load_, file] {
    // A shared_ptr, because std::function wants to be copyable.
    auto loaded = std::make_shared<LoadedConfig>(load(file));
    loop.Post([this, weak, loaded] {
      if (!weak.expired()) Finished(std::move(*loaded));
    });
  });
}

void ConfigReader::Finished(LoadedConfig loaded) {
  if (const auto done = std::exchange(done_, {})) done(std::move(loaded));
}

}  // namespace penumbra
