// Gaps: readings that the cloud will never get, and why. Kept in table `gap` until the cloud has acknowledged the gap
// record that tells of them, so that a hole in the data can be seen for what it is.
//
// One gap per thing and reason: it grows while more is lost, and its record is then sent again with the same from_seq,
// which names it. So the table stays as small as the list of things, however long the outage. Once the cloud has it, a
// later loss is a new gap.
// Functions with a Database run on the store thread, the writing ones inside its transaction (Store::Transact for
// modules above).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace penumbra {

class Database;

struct Gap {
  std::string thing;
  std::string reason;  // one of kGap... below
  std::uint64_t from_seq = 0;
  std::uint64_t to_seq = 0;  // both ends included; readings between them may have been sent or kept
  std::int64_t from_ms = 0;  // times of measurement, as they were known when the readings were lost; 0: not known
  std::int64_t to_ms = 0;
  std::uint64_t lost = 0;  // readings

  // One more lost reading; the first one sets both ends.
  void Add(std::uint64_t seq, std::int64_t unix_ms);
  friend bool operator==(const Gap&, const Gap&) = default;
};

inline constexpr std::string_view kGapNoSpace = "no space";  // removed unsent: the store was full
inline constexpr std::string_view kGapThinned = "thinned";   // first, last, smallest and largest of each run were kept
inline constexpr std::string_view kGapDamaged = "damaged";   // a damaged file or row took them

// The message for the cloud, and where it goes: not the topic of readings, and without a "value".
std::string GapTopic(const std::string& thing);
std::string GapJson(const Gap& gap);

// Adds to what is stored. The thing must be known to the store.
Status NoteGap(Database& database, const Gap& gap);
Result<std::vector<Gap>> ReadGaps(Database& database);
// The cloud has it. One that has grown since stays, to be sent again.
Status ForgetGap(Database& database, const Gap& gap);

}  // namespace penumbra
