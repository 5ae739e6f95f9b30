// A copy of the dictionary in a small file beside the database: "<database>.words". A page of table thing that is
// damaged would make every reading of the things on it nameless; with this they can still be brought back
// (salvage.hpp). Written soon after new words, but seldom; never read in normal life. Deliberately bounded: things and
// lists of points first, then words, as many as fit. Thread: the store thread, or the thread that opens before it
// starts.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "store/dictionary.hpp"
#include "store/files.hpp"

namespace penumbra {

class DictionaryCopy {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::size_t kMaxBytes = 64 * 1024;
  // Between two rewrites: a driver that invents a reason each minute must not wear the card out.
  static constexpr auto kPause = std::chrono::minutes(10);

  DictionaryCopy(std::filesystem::path file, Files& files) : file_(std::move(file)), files_(files) {}

  static std::filesystem::path Beside(const std::filesystem::path& database);

  // Rewrites the file if the dictionary has grown since and the last time is long enough ago. The first time compares
  // it with what is there. A failure is tried again after the same pause.
  Status Keep(const Dictionary& dictionary, Time now);

  // Adds what `dictionary` does not have. A missing or damaged file adds nothing, and neither does one that gives a
  // number another text: it is of another database.
  static void LoadInto(Dictionary& dictionary, const std::filesystem::path& file, Files& files);

  // The file's contents; pure.
  static std::string Encode(const Dictionary& dictionary);
  // false: damaged; then what came before the damage may have been added.
  static bool Decode(std::string_view bytes, Dictionary& into);

 private:
  std::filesystem::path file_;
  Files& files_;
  std::optional<std::size_t> kept_;  // entries
  std::optional<Time> not_before_;
};

}  // namespace penumbra
