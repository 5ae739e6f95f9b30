// What the store knows of the wall clock in each boot (table boot_time), and the true times of readings that follow
// from it. Bounded: the newest kMaxBoots boots. Values and SQL of that one table.
// Thread: the store thread, but for Redate, which is pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "event/wall_history.hpp"
#include "model/reading.hpp"
#include "store/database.hpp"

namespace penumbra {

// Gives a reading of the history's boot its true time. Doing so twice, or with a longer history, is harmless.
void Redate(Reading& reading, const WallHistory& history);

class TimeBook {
 public:
  static constexpr std::size_t kMaxBoots = 256;

  // Replaces what is known by what the table says.
  Status Load(Database& database);
  // Within a transaction.
  static Status Write(Database& database, const WallHistory& history);
  void Put(WallHistory history);

  // nullptr: nothing is known of that boot.
  const WallHistory* Of(const std::string& boot_id) const;
  void Redate(Reading& reading) const;

  // Readings stored with times from oldest_ms to newest_ms: can a true time of theirs lie in [since_ms, until_ms)?
  bool MayLieIn(std::int64_t oldest_ms, std::int64_t newest_ms, std::int64_t since_ms, std::int64_t until_ms) const;

 private:
  // Times as stored from..to stand for times that are `by` later.
  struct Shift {
    std::int64_t from_ms;
    std::int64_t to_ms;
    std::int64_t by_ms;
  };
  void FindShifts();

  std::map<std::string, WallHistory> boots_;
  std::vector<Shift> shifts_;
};

}  // namespace penumbra
