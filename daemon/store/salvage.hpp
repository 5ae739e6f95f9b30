// Brings back what can still be read of a damaged store file that was set aside: settings and clock histories at once,
// and journal rows whose checksum is right, with their seqs, a few at a time between commits. Rows keep their numbers,
// which lie below those of the new file, so that rows stay in the order of seqs.
//
// The file is read page by page (page_scan.hpp), not through its b-trees: one bad page of those would cost all that it
// leads to. What the damaged file knew to be acknowledged is not sent again, as far as it can still be read; the rest
// counts as unsent, because sending twice is a nuisance (the same seq) and not sending is a loss. What it knew to be
// unsent and is not found is a gap.
// Deliberately not brought back: shadows, commands and orders. The cloud has them.
// Thread: the store thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "store/database.hpp"
#include "store/dictionary.hpp"
#include "store/files.hpp"
#include "store/interval_set.hpp"
#include "store/journal.hpp"
#include "store/page_scan.hpp"
#include "store/seq_mark.hpp"

namespace penumbra {

class Salvage {
 public:
  static constexpr std::uint32_t kPagesPerStep = 512;
  static constexpr int kEffortPerStep = 1024;  // of looking at a row that was brought back before; of a new one,
  static constexpr int kEffortOfNew = 16;      // which is written, so many times as much

  // In a transaction of its own: prepares a store without rows for what comes back from `damaged`, and copies settings
  // and clock histories. A store that has rows already is left alone.
  // A mark that was lost is regained from `damaged`.
  static Status Begin(Database& database, SeqMark& mark, const std::filesystem::path& damaged, const std::string& vfs,
                      Files& files);
  // What was begun and is not finished, of several (a file that was damaged during its own salvage) the oldest;
  // nullptr: nothing.
  static Result<std::unique_ptr<Salvage>> Resume(Database& database, Files& files);

  // The files of all that is begun and not finished.
  static Result<std::set<std::string>> Pending(Database& database);

  struct Outcome {
    bool finished = false;
    std::uint64_t readings = 0;
    std::map<std::string, IntervalSet> back;   // unsent readings that are there again
    std::map<std::string, IntervalSet> acked;  // of those of earlier steps
  };
  // Looks at some pages, or, when all have been seen, brings rows back in a transaction of its own. After an error the
  // database is to be opened again, and this resumed.
  Result<Outcome> Step(Database& database, Journal& journal);

 private:
  struct Position {
    std::filesystem::path file;
    std::int64_t after;       // rows up to here were done when this began
    std::int64_t below;       // the new file's own rows begin here
    std::uint64_t seq_below;  // and its own seqs here
  };
  // Where a block had readings of a thing.
  struct Stretch {
    std::uint64_t first_seq;
    std::uint64_t last_seq;
    std::int64_t oldest_ms;
    std::int64_t newest_ms;
  };

  Salvage(Position position, Files& files, PageScan::Roots roots)
      : at_(std::move(position)), files_(files), scan_(files, at_.file, std::move(roots)) {}

  void TakeRow(std::string_view table, std::int64_t rowid, const std::vector<btree::Value>& row);
  void EndScan();
  static Result<bool> IsThere(Database& database, std::int64_t row);
  Result<Journal::AdoptedRow> Decode(const std::string& blob, AckMap& acks);
  void TakeUnsent(const std::string& name, const RowSection& section, IntervalSet& unsent);
  Status Remember(Database& database, Journal& journal, bool finished);
  Status NoteGaps(Database& database, Journal& journal);
  std::pair<std::int64_t, std::int64_t> TimesOf(const std::string& name, std::uint64_t first, std::uint64_t last);

  Position at_;
  Files& files_;
  PageScan scan_;
  bool scanned_ = false;
  std::int64_t row_ = 0;  // the last one looked at: those that are done are counted once more, to know what is missing
  // What the scan finds beside journal rows; things by their numbers.
  Dictionary words_;
  std::map<std::uint64_t, IntervalSet> outbox_;  // what is unsent
  std::map<std::uint64_t, std::uint64_t> newest_in_outbox_;
  std::map<std::uint64_t, std::vector<Stretch>> stretches_;
  std::size_t stretch_count_ = 0;
  std::vector<std::pair<std::uint64_t, Gap>> gaps_;
  std::optional<std::int64_t> snapshot_row_;
  // What the file knew at its row snapshot_row_ to be unsent, and is not found yet; and what rows behind it must have.
  // A thing that is not in it: nothing is known, all of it counts as unsent.
  std::map<std::string, IntervalSet> unsent_;
  std::map<std::string, std::uint64_t> newest_;
  std::map<std::string, IntervalSet> back_;  // seqs that are back: a removed page may hold them once more
  std::uint64_t readings_ = 0;
  std::uint64_t lost_rows_ = 0;
};

}  // namespace penumbra
