// A Penumbra database read from outside: by `penumbra store export`, whether the daemon runs or not, and by the
// sqlite3 shell (store/shell). Reads only, takes no lock that a commit would wait for, and holds one block at a
// time. It shows the database as it was when it was opened, and of its last block perhaps what came since.
// Deliberately not the daemon's own way of reading (Journal): that one has the state in memory and writes.
// Thread: one at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "model/reading.hpp"
#include "store/dictionary.hpp"
#include "store/interval_set.hpp"
#include "store/journal_block.hpp"
#include "store/store.hpp"
#include "store/time_book.hpp"

namespace penumbra {

// How SQL is run: the shell brings its own SQLite connection, everybody else uses Database.
class SqlReader {
 public:
  class Row {
   public:
    virtual ~Row() = default;
    virtual std::int64_t Int(int column) const = 0;
    virtual std::string_view Bytes(int column) const = 0;  // lives until the handler returns
  };
  virtual ~SqlReader() = default;
  // Calls `each` for every row; an error of it ends the reading and is answered.
  virtual Status Select(std::string_view sql, std::span<const std::int64_t> parameters,
                        const std::function<Status(const Row&)>& each) = 0;
};

class Archive {
 public:
  struct Filter {
    std::optional<std::string> thing;
    std::int64_t since_ms = INT64_MIN;  // inclusive, true times
    std::int64_t until_ms = INT64_MAX;  // exclusive
  };

  // `sql` outlives the archive. The statements of Open belong together: run it within a transaction, or on a database
  // that nobody writes. Error kFixConfig: not a Penumbra database, or of a newer one; kGiveUp: damaged.
  static Result<Archive> Open(SqlReader& sql);

  std::vector<std::string> Things() const;
  // "" when the daemon knew of none.
  const std::string& Unit(const std::string& thing, const std::string& point) const;

  // One pass over the readings: block by block as they were committed, within a packed block thing by thing; of one
  // thing always in the order of seq. A block is read at once: it may be packed, or go, before the next call.
  class Scan {
   public:
    Scan(const Archive& archive, Filter filter);
    // Appends the next readings, at least one; none: that was all. Damaged rows are left out and counted.
    Status Next(std::vector<StoredReading>& out);
    std::uint64_t damaged_rows() const { return damaged_; }

   private:
    static constexpr int kRowsAtOnce = static_cast<int>(Block::kMaxRows);
    Status SkipToBlock();
    void Collect(std::string_view blob, std::vector<StoredReading>& out);

    const Archive* archive_;
    Filter filter_;
    std::optional<std::uint64_t> thing_id_;
    std::int64_t row_ = 0;           // the next one to read
    std::int64_t readable_to_ = -1;  // rows up to here are worth reading
    bool done_ = false;
    std::uint64_t damaged_ = 0;
  };

 private:
  explicit Archive(SqlReader& sql) : sql_(&sql) {}
  Status LoadNames();
  Status LoadTimes();
  Status LoadUnits();
  Status LoadUnsent();
  void Replay(std::string_view blob);

  SqlReader* sql_;
  Dictionary dictionary_;
  TimeBook times_;
  std::map<std::pair<std::string, std::string>, std::string> units_;  // by thing and point
  std::map<std::uint64_t, IntervalSet> unsent_;                       // by thing id
  std::int64_t last_row_ = 0;
};

}  // namespace penumbra
