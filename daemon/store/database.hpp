// SQLite as this project uses it: one connection, prepared statements, transactions, errors as values.
// Deliberately thin: no mapping of objects, no SQL of its own beyond what opening needs. sqlite3.h stays in the .cpp.
// Thread: the store thread (or the thread that opens, before it starts); never two at a time.
// Source: sqlite.org/c3ref, pragma.html, wal.html.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/error.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace penumbra {

class Database;

// A prepared statement at work. Reset when it goes out of scope. Parameters count from 1, columns from 0.
class Statement {
 public:
  Statement() = default;
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  Statement& Bind(int parameter, std::int64_t value);
  Statement& Bind(int parameter, std::uint64_t value) { return Bind(parameter, static_cast<std::int64_t>(value)); }
  Statement& Bind(int parameter, int value) { return Bind(parameter, static_cast<std::int64_t>(value)); }
  Statement& Bind(int parameter, double value);
  // Text and blobs are not copied: they must live until the statement has run.
  Statement& Bind(int parameter, std::string_view text);
  Statement& BindBlob(int parameter, std::string_view bytes);
  Statement& BindNull(int parameter);

  // true: a row is there; false: done. Error kFatal: the database is in trouble, or kGiveUp: a constraint refuses.
  Result<bool> Step();
  // For statements without rows.
  Status Run();

  std::int64_t Int(int column) const;
  double Real(int column) const;
  bool IsNull(int column) const;
  // The column has this checksum (row_sum.hpp), or none.
  bool HasSum(int column, std::int64_t sum) const { return IsNull(column) || Int(column) == sum; }
  // Text or blob; a view that lives until the next Step.
  std::string_view Bytes(int column) const;

 private:
  friend class Database;
  Statement(Database* database, sqlite3_stmt* statement) : database_(database), statement_(statement) {}
  Database* database_ = nullptr;
  sqlite3_stmt* statement_ = nullptr;  // owned by the Database's cache
  bool bad_binding_ = false;
};

class Database {
 public:
  // Long enough that blocks are written, sent and packed again while they are in the WAL: their pages are used for the
  // next ones, and go to the file once for many. Measured at 200 values a second: 92, 82 and 79 bytes a value for 1, 2
  // and 4 MiB; a longer one costs more room, and more metadata of the file system while it grows.
  static constexpr std::uint64_t kWalBytes = 2 * 1024 * 1024;
  struct Options {
    std::filesystem::path file;
    std::string vfs;                      // empty: the platform's
    std::uint32_t page_size = 0;          // of a new file; 0: kPageSize
    std::uint64_t wal_bytes = kWalBytes;  // what the WAL is worth: it is cut back to twice this
  };
  // A commit writes whole pages, so small ones cost the card less: 64 against 87 bytes on the device per value with
  // packed blobs at 200 values a second, measured on ext4 when the format was chosen.
  static constexpr std::uint32_t kPageSize = 1024;

  // Opens or creates, sets what the durability contract needs and reads it back. Errors: kFixConfig when the place is
  // unusable, kFatal otherwise; `*corrupt` says whether it is the file's contents that are damaged.
  static Result<std::unique_ptr<Database>> Open(const Options& options, bool* corrupt);
  // For reading only, beside a running daemon or without one; writes nothing but SQLite's own -shm file. Error
  // kFixConfig: it cannot be opened, and why.
  static Result<std::unique_ptr<Database>> OpenReadOnly(const std::filesystem::path& file);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // From the cache of prepared statements; one use of the same SQL at a time.
  Result<Statement> Prepare(std::string_view sql);
  // Several statements without parameters, as in a migration.
  Status Execute(const std::string& sql);

  // From here on a transaction writes nothing before its Commit, however large it is: so what it needs is known before
  // it takes any room. Not for migrations, which may touch the whole file. Outside transactions.
  Status WriteAtCommitOnly();
  Status Begin();
  Status Commit();
  void Rollback();
  // A part of the transaction that can fail alone.
  Status Savepoint();
  Status ReleaseSavepoint();
  Status RollbackToSavepoint();

  Result<std::int64_t> Integer(std::string_view sql);

  // A row of table meta; nullopt: there is none. Error kGiveUp: damaged.
  Result<std::optional<std::int64_t>> Meta(std::string_view key);
  Status SetMeta(std::string_view key, std::int64_t value);
  // What was read cannot be right although SQLite took it: from here on corrupt().
  Error Damaged(std::string what);
  // What is to be committed would not find its room: from here on full().
  Error NoRoom(std::string what);

  // Closing will not copy the WAL into the file. After a failure: what only looks written must not be copied.
  void KeepWal();
  // Copies the WAL into the database file (passive: never waits) or, with `everything`, also syncs and restarts it.
  Status Checkpoint(bool everything);
  // The WAL is as long as it should get: time for a checkpoint.
  bool WantsCheckpoint() const { return wal_bytes() >= options_.wal_bytes; }

  // What lies under the file's name is not the file that is open: it was removed, moved or replaced.
  bool HasMoved() const;
  // All that is committed, as a database file of its own, which is not synced; `to` may be there if it is empty.
  Status CopyTo(const std::filesystem::path& to);

  // Pages that wait in the WAL.
  std::uint64_t wal_bytes() const { return static_cast<std::uint64_t>(wal_pages_) * kPageSize; }

  // A failure has said: the file is damaged (SQLITE_CORRUPT, SQLITE_NOTADB); reading, writing or syncing failed
  // (SQLITE_IOERR).
  bool corrupt() const { return corrupt_; }
  bool io_failed() const { return io_failed_; }
  // SQL did not fit the schema: a name was not there. Of our own SQL on a migrated file: a flipped bit in the schema.
  bool misfits() const { return misfits_; }
  // Since the last Begin: no space is left (SQLITE_FULL, NoRoom).
  bool full() const { return full_; }

  const std::filesystem::path& file() const { return options_.file; }

 private:
  friend class Statement;
  explicit Database(Options options) : options_(std::move(options)) {}
  Status Configure();
  Error TakeError(std::string_view what, int code);
  static int OnWal(void* self, sqlite3*, const char*, int pages);

  Options options_;
  sqlite3* db_ = nullptr;
  std::unordered_map<std::string, sqlite3_stmt*> statements_;
  int wal_pages_ = 0;
  bool corrupt_ = false;
  bool io_failed_ = false;
  bool full_ = false;
  bool misfits_ = false;
};

}  // namespace penumbra
