// What lies beside the database because it was set aside: damaged databases (store_worker_open.cpp) and files of others
// that lay under its name (store_worker_rescue.cpp), each with its WAL. Kept for whoever wants to look at them, but not
// for ever: a card that damages a database every day would be full of them.
//
// More than kMost of them, or more than max_size bytes together, and the oldest go, once they are old enough; when the
// file system is short of room they go at once, before any reading does. What is still being salvaged never goes.
// Names that the store did not give (somebody's own copy, say) are left alone and not counted.
// Thread: the store thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "store/files.hpp"

namespace penumbra {

class KeptFiles {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::string_view kDamaged = ".damaged-";
  static constexpr std::string_view kForeign = ".foreign-";
  static constexpr std::size_t kMost = 4;
  // By the date in its name, and by how long this process has known it: where the clock was behind when the file was
  // named, it looks older than it is.
  static constexpr std::chrono::hours kLeastAge{7 * 24};
  static constexpr std::chrono::hours kLeastKnown{24};

  KeptFiles(std::filesystem::path database, std::uint64_t max_bytes, Files& files)
      : database_(std::move(database)), max_bytes_(max_bytes), files_(files) {}

  // A name for what is to be set aside now, `ending` one of the above. With a counter: two files of one second must not
  // overwrite each other.
  std::filesystem::path NewName(std::string_view ending) const;

  // Lists the folder anew. `in_use`: files that are being salvaged.
  void Look(std::set<std::string> in_use, Time now);
  // `now_ms`: the trusted wall clock; 0: not known, and nothing is old enough.
  void KeepWithinBounds(std::int64_t now_ms, Time now);
  // Because room is needed. false: there is none that may go.
  bool GiveUpOldest();

  std::size_t count() const { return kept_.size(); }
  std::uint64_t bytes() const;

  struct Name {
    std::string name;  // without what SQLite appends: of the database itself
    std::int64_t ms;   // when it was given, Unix milliseconds
  };
  // <database>.damaged-20261126T140000Z or ...Z-<counter>, and what belongs to it ("-wal"). nullopt: not a name of
  // ours. Pure; foreign bytes.
  static std::optional<Name> ParseName(std::string_view database, std::string_view file);

 private:
  using Key = std::pair<std::int64_t, std::string>;  // oldest first
  struct Kept {
    std::uint64_t bytes = 0;
    std::vector<std::filesystem::path> parts;
    Time known_since;
  };
  bool GiveUp(std::map<Key, Kept>::iterator which, std::string_view why);
  std::map<Key, Kept>::iterator OldestOf(const std::function<bool(const Key&, const Kept&)>& may_go);

  const std::filesystem::path database_;
  const std::uint64_t max_bytes_;
  Files& files_;
  std::map<Key, Kept> kept_;
  std::set<std::string> in_use_;
};

}  // namespace penumbra
