// Brings back what can still be read of a damaged store file that was set aside: settings and clock histories at once,
// and journal rows whose checksum is right, with their seqs, a few at a time between commits. Rows keep their numbers,
// which lie below those of the new file, so that rows stay in the order of seqs.
//
// What the damaged file knew to be acknowledged is not sent again, as far as it can still be read; the rest counts as
// unsent, because sending twice is a nuisance (the same seq) and not sending is a loss. What it knew to be unsent and
// is not found is a gap.
// Deliberately only what SQLite can still reach: a file whose first page is gone stays as it is, set aside, for people
// with better tools. Shadows and commands are not brought back: the cloud has them. Never checkpoints the damaged file.
// Thread: the store thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "store/database.hpp"
#include "store/dictionary.hpp"
#include "store/interval_set.hpp"
#include "store/journal.hpp"
#include "store/seq_mark.hpp"

namespace penumbra {

class Salvage {
 public:
  static constexpr std::size_t kRowsPerStep = 64;
  static constexpr int kProbesPerStep = 256;  // of rows behind a damaged page

  // In a transaction of its own: prepares a store without rows for what comes back from `damaged`, and copies settings
  // and clock histories. A store that has rows already is left alone.
  static Status Begin(Database& database, const SeqMark& mark, const std::filesystem::path& damaged,
                      const std::string& vfs);
  // What was begun and is not finished; nullptr: nothing.
  static Result<std::unique_ptr<Salvage>> Resume(Database& database, const std::string& vfs);

  struct Outcome {
    bool finished = false;
    std::uint64_t readings = 0;
    std::map<std::string, IntervalSet> back;   // unsent readings that are there again
    std::map<std::string, IntervalSet> acked;  // of those of earlier steps
  };
  // Makes a transaction of its own. After an error the database is to be opened again, and this resumed.
  Result<Outcome> Step(Database& database, Journal& journal);

 private:
  Salvage(std::filesystem::path file, std::int64_t after, std::int64_t below, std::uint64_t seq_below)
      : file_(std::move(file)), after_(after), below_(below), seq_below_(seq_below) {}

  void Open(const std::string& vfs);
  void LoadWords();
  void LoadDelivery();
  bool NextRow(std::string& blob);
  bool Probe(std::string& blob);
  bool JumpToNextRun();
  Result<Journal::AdoptedRow> Decode(const std::string& blob, AckMap& acks);
  void TakeUnsent(const std::string& name, const RowSection& section, IntervalSet& unsent);
  Status Remember(Database& database, bool finished);
  Status NoteGaps(Database& database);
  std::pair<std::int64_t, std::int64_t> TimesOf(const std::string& name, std::uint64_t first, std::uint64_t last);

  const std::filesystem::path file_;
  std::int64_t after_;                 // rows up to here are done
  const std::int64_t below_;           // the new file's own rows begin here
  const std::uint64_t seq_below_;      // and its own seqs here
  std::unique_ptr<Database> damaged_;  // nullptr: cannot be opened
  Dictionary words_;
  bool probing_ = false;  // in order is not possible any more
  int probes_left_ = 0;   // in this step
  int missed_ = 0;        // probes since the last row
  // What the file knew at its row snapshot_row_ to be unsent, and is not found yet; and what rows behind it must have.
  std::optional<std::map<std::string, IntervalSet>> unsent_;
  std::map<std::string, std::uint64_t> newest_;
  std::int64_t snapshot_row_ = 0;
  std::uint64_t readings_ = 0;
  std::uint64_t lost_rows_ = 0;
};

}  // namespace penumbra
