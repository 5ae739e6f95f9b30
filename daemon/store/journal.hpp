// The storage format of readings and acks, behind one narrow class: an append-only journal of group commits (codec.hpp)
// with blocks as its directory (journal_block.hpp), and per thing the set of what is not acknowledged.
//
// What is in memory is small: per thing a few ranges, and the newest block's directory. Opening reads the snapshot in
// table `outbox` and replays the rows behind it, at most one block's worth.
//
// After any error of a writing function the object no longer agrees with the file: roll back, destroy it, Load again.
// It does not begin or end transactions, and knows no time limits but those given to it.
// Thread: the store thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "model/reading.hpp"
#include "store/codec.hpp"
#include "store/database.hpp"
#include "store/dictionary.hpp"
#include "store/gap.hpp"
#include "store/interval_set.hpp"
#include "store/journal_block.hpp"
#include "store/seq_mark.hpp"
#include "store/store.hpp"
#include "store/time_book.hpp"

namespace penumbra {

// What the cloud acknowledged since the last commit, by thing name.
using AckMap = std::map<std::string, IntervalSet>;

class Journal {
 public:
  using Deadline = std::chrono::steady_clock::time_point;

  struct Options {
    std::int64_t max_block_rows = Block::kMaxRows;
    std::uint64_t max_block_bytes = Block::kMaxBytes;
    bool wal_missing = false;         // no WAL was beside the file
    bool wal_doubtful = false;        // more may have been committed than is there (wal_check.hpp)
    const TimeBook* times = nullptr;  // what is read is dated by it; outlives the journal
  };

  // No reading with a seq from `seq` on lies before `row`: where the next search of a kind begins.
  struct Hint {
    std::uint64_t seq = 0;
    std::int64_t row = 0;
  };

  struct ThingState {
    std::uint64_t id = 0;
    std::string name;
    std::uint64_t newest_seq = 0;
    std::int64_t newest_ms = 0;
    IntervalSet unsent;  // with the holes that thinning left
    // How many of these are holes: exact until a restart, then a lower bound until the thinned part is sent.
    std::uint64_t holes = 0;
    std::uint64_t thinned_until = 0;  // the last seq of a thinned block; 0: none
    std::uint64_t HolesNow() const;
    Hint drain;   // of ReadUnsent
    Hint oldest;  // of OldestUnsentMs
    // The measurement time of the first unsent reading, and of which one.
    std::uint64_t oldest_seq = 0;
    std::int64_t oldest_ms = 0;
  };

  // Recovers from a migrated database. `first` is false when the same process opens it again after a failure: then the
  // generations are not compared. Errors: kGiveUp when the contents are damaged, kFatal and others from SQLite, where
  // database.corrupt() says whether the file is damaged.
  static Result<std::unique_ptr<Journal>> Load(Database& database, SeqMark& mark, const Options& options, bool first);

  // Within a transaction: gives `readings` their seqs and writes them and the acks as one row. Acks for what is not
  // unsent are ignored. Writes nothing when there is nothing to write.
  Status Write(std::vector<Reading>& readings, const AckMap& acks, std::int64_t now_ms);
  // Seqs may have been given that the file does not know: goes on from the mark.
  void DoubtSeqs() { seq_floor_ = mark_.mark(); }
  // TimeBook has changed: times that are remembered are to be looked up again.
  void TimesChanged();
  // Within a transaction: a newest trusted time beyond `unix_ms` was wrong.
  Status LowerNewestTrusted(std::int64_t unix_ms);
  // Within a transaction, at a clean end.
  Status CloseGeneration();

  // Unsent readings, ascending, seq > after_seq, at most `limit`; fewer when `deadline` passes, but an empty answer
  // without `again` means that there are none.
  struct UnsentRead {
    std::vector<Reading> readings;
    bool again = false;
  };
  Result<UnsentRead> ReadUnsent(const std::string& thing, std::uint64_t after_seq, std::size_t limit,
                                Deadline deadline);
  // Unsent seqs that a read found missing since the last call: of damaged rows, and holes that thinning left. The
  // caller acknowledges them.
  struct Missing {
    AckMap damaged;
    AckMap holes;
  };
  Missing TakeMissing() { return std::exchange(missing_, {}); }
  // Within a transaction, before Write acknowledges them: counts the holes, and notes gaps for what damage took.
  Status Settle(const Missing& missing);
  // The measurement time of the oldest unsent reading; 0: none, or not found before the deadline.
  std::int64_t OldestUnsentMs(const std::string& thing, Deadline deadline);

  // A query that goes on where it stopped.
  struct QueryState {
    ReadingQuery query;
    std::optional<std::int64_t> next_row;
    std::vector<StoredReading> found;
  };
  // true: complete. false: the deadline has passed, call again.
  Result<bool> ContinueQuery(QueryState& state, Deadline deadline);

  // Blocks as retention sees them: the first stored one from `row` on. nullopt: none (the newest block is not stored).
  Result<std::optional<Block>> StoredBlockFrom(std::int64_t row);
  std::uint64_t UnsentIn(const Block& block) const;
  std::map<std::string, IntervalSet> UnsentRanges(const Block& block) const;
  // Within a transaction: removes its rows. Answers the unsent readings that went with it.
  Result<std::uint64_t> Drop(const Block& block);
  // Thinning: the oldest block that was never thinned, if it is in the older half (by bytes) of what is stored: the
  // newer half keeps every reading.
  Result<std::optional<Block>> ThinCandidate();
  // Within a transaction: of the block only the shape of what was never sent stays (thinning.hpp), one row a thing.
  // What goes is noted as a gap. Answers how many unsent readings went.
  Result<std::uint64_t> Thin(const Block& block);
  // Packing: the first block from `row` on that still has a row for each commit.
  Result<std::optional<Block>> BlockByCommitFrom(std::int64_t row);
  // Within a transaction: makes one row for each thing of the block's rows, all of whose readings stay.
  Status PackByThing(const Block& block);
  // Salvage: a row of another file, below ours, and which of its readings are unsent.
  struct AdoptedRow {
    std::int64_t id = 0;
    std::vector<Reading> readings;
    std::map<std::string, IntervalSet> unsent;
  };
  // Within a transaction: knows the thing from here on, so that a gap can speak of it.
  Status Name(const std::string& thing);
  // Within a transaction: takes them, ascending in id, all behind those taken before; then the acks.
  Status Adopt(const std::vector<AdoptedRow>& rows, const AckMap& acks);
  // Within a transaction: ends the newest block, so that retention can have it.
  Status CloseBlock();
  const Block& newest_block() const { return block_; }
  Database& database() { return database_; }

  const std::map<std::string, ThingState>& things() const { return things_; }
  const Dictionary& dictionary() const { return dictionary_; }
  std::uint64_t readings() const { return readings_; }
  std::int64_t newest_trusted_ms() const { return newest_trusted_ms_; }
  // The time from which retention counts: the newest trusted time, but never running more than twice as fast as
  // CLOCK_BOOTTIME, so that a clock that jumps ahead costs no more history than the time it is believed.
  std::int64_t age_ms() const { return std::min(age_ms_, newest_trusted_ms_); }
  std::uint64_t acks_not_kept() const { return acks_not_kept_; }
  std::int64_t last_row() const { return block_.last_row; }

 private:
  static constexpr std::size_t kMaxAckRanges = 4096;           // per thing; see ApplyAck
  static constexpr std::size_t kCachedRowBytes = 1024 * 1024;  // of blobs, for things that drain side by side

  struct Row {
    std::string blob;
    RowHeader header;
  };

  Journal(Database& database, SeqMark& mark, const Options& options)
      : database_(database), mark_(mark), options_(options) {}

  Status LoadDictionary();
  Status LoadSnapshot();
  Status Replay();
  void FindWhatDamageTook(const RowHeader& header, std::set<std::uint64_t>& seen);
  Status ReconcileGeneration(bool first);
  Status OpenGeneration();
  Result<std::int64_t> Meta(std::string_view key, std::int64_t otherwise);

  ThingState& Thing(const std::string& name);
  ThingState* ById(std::uint64_t id);
  Status GiveSeqs(std::vector<Reading>& readings, std::int64_t now_ms);
  std::vector<AckRange> ApplyAcks(const AckMap& acks);
  Status WriteFreshWords();
  void AdvanceAge(const RowHeader& header);
  void AddToState(const RowHeader& header, std::size_t blob_bytes);

  Result<std::shared_ptr<const Row>> LoadRow(std::int64_t id);
  void ForgetRows(const Block& block);
  Result<std::vector<Reading>> ReadingsOf(const Block& block, std::uint64_t thing);
  Result<Block> Repack(const Block& block, BlockLayout layout, std::map<std::uint64_t, Gap>& gaps);
  Status LoadHoles();
  Status StoreReadings();
  Result<std::pair<std::int64_t, std::int64_t>> TimesOf(const ThingState& thing, std::uint64_t first,
                                                        std::uint64_t last);
  Status StoreBlock(const Block& block);
  // Also between snapshots: the rows behind the last one are replayed on top and change nothing, because they only add
  // seqs of their own and remove acknowledged ones.
  Status StoreThing(const ThingState& thing);
  void TakeSection(const RowSection& section, const AdoptedRow& row);
  Result<std::optional<Block>> BlockFor(std::int64_t row, bool backwards);
  Result<UnsentRead> FindUnsent(ThingState& thing, Hint& hint, std::uint64_t after_seq, std::size_t limit,
                                Deadline deadline);
  void NoteMissing(const ThingState& thing, std::uint64_t first, std::uint64_t last);
  Status CollectUnsent(const ThingState& thing, const Row& row, std::uint64_t after_seq, std::size_t limit,
                       std::vector<Reading>& out);
  Result<bool> CollectPacked(QueryState& state, const ThingState& thing, const Block& block);
  Status CollectQuery(QueryState& state, const ThingState& thing, const Row& row);
  bool MayMatch(const QueryState& state, const ThingState& thing, const Block& block) const;

  Database& database_;
  SeqMark& mark_;
  Options options_;
  Dictionary dictionary_;
  std::map<std::string, ThingState> things_;
  std::unordered_map<std::uint64_t, ThingState*> by_id_;
  Block block_ = Block::StartingAt(1);  // the newest, not stored yet
  std::uint64_t seq_floor_ = 0;         // every new seq is at least this: set when an older file may have given more
  std::uint64_t readings_ = 0;
  std::int64_t newest_trusted_ms_ = 0;
  std::int64_t age_ms_ = 0;  // 0: not known yet
  std::optional<std::int64_t> age_boot_ns_;
  Missing missing_;
  std::uint64_t acks_not_kept_ = 0;

  struct CachedRow {
    std::int64_t id;
    std::shared_ptr<const Row> row;
  };
  std::list<CachedRow> cache_;  // newest use first
  std::unordered_map<std::int64_t, std::list<CachedRow>::iterator> cached_;
  std::size_t cached_bytes_ = 0;
};

}  // namespace penumbra
