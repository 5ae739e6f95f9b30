#include "store/database.hpp"

#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "store/row_sum.hpp"

namespace penumbra {
namespace {

constexpr int kBusyTimeoutMs = 2000;  // a shell that reads, or an export, may hold a lock for a moment
constexpr int kSynchronousFull = 2;
constexpr int kIncrementalVacuum = 2;
constexpr int kCacheKib = 2048;
constexpr std::size_t kSqlInMessages = 60;  // characters

Error MakeError(sqlite3* db, std::string_view what, int code) {
  const char* text = db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code);
  const int primary = code & 0xff;
  const Action action = primary == SQLITE_CONSTRAINT                         ? Action::kGiveUp
                        : primary == SQLITE_BUSY || primary == SQLITE_LOCKED ? Action::kBackOff
                        : primary == SQLITE_CANTOPEN || primary == SQLITE_READONLY || primary == SQLITE_PERM
                            ? Action::kFixConfig
                            : Action::kFatal;
  return {action, fmt::format("{}: {} (sqlite {})", what, text, code)};
}

bool IsCorrupt(int code) {
  return (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
}

// A path inside a "file:" URI (sqlite.org/uri.html).
std::string UriPath(const std::string& path) {
  std::string out;
  for (const char c : path) {
    if (c == '%' || c == '?' || c == '#') {
      out += fmt::format("%{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

Statement::Statement(Statement&& other) noexcept
    : database_(other.database_),
      statement_(std::exchange(other.statement_, nullptr)),
      bad_binding_(other.bad_binding_) {}

Statement::~Statement() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Statement& Statement::Bind(int parameter, std::int64_t value) {
  bad_binding_ |= sqlite3_bind_int64(statement_, parameter, value) != SQLITE_OK;
  return *this;
}

Statement& Statement::Bind(int parameter, double value) {
  bad_binding_ |= sqlite3_bind_double(statement_, parameter, value) != SQLITE_OK;
  return *this;
}

Statement& Statement::Bind(int parameter, std::string_view text) {
  // A null pointer would bind NULL where an empty text is meant.
  const char* data = text.empty() ? "" : text.data();
  bad_binding_ |=
      sqlite3_bind_text64(statement_, parameter, data, text.size(), SQLITE_STATIC, SQLITE_UTF8) != SQLITE_OK;
  return *this;
}

Statement& Statement::BindBlob(int parameter, std::string_view bytes) {
  const char* data = bytes.empty() ? "" : bytes.data();
  bad_binding_ |= sqlite3_bind_blob64(statement_, parameter, data, bytes.size(), SQLITE_STATIC) != SQLITE_OK;
  return *this;
}

Statement& Statement::BindNull(int parameter) {
  bad_binding_ |= sqlite3_bind_null(statement_, parameter) != SQLITE_OK;
  return *this;
}

Result<bool> Statement::Step() {
  if (bad_binding_) return Fail(Action::kFatal, fmt::format("cannot bind a parameter of: {}", sqlite3_sql(statement_)));
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return Fail(database_->TakeError(sqlite3_sql(statement_), code));
}

Status Statement::Run() {
  const Result<bool> row = Step();
  sqlite3_reset(statement_);
  if (!row) return Fail(row.error());
  return {};
}

std::int64_t Statement::Int(int column) const {
  return sqlite3_column_int64(statement_, column);
}

double Statement::Real(int column) const {
  return sqlite3_column_double(statement_, column);
}

bool Statement::IsNull(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

std::string_view Statement::Bytes(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  if (data == nullptr) return {};
  return {static_cast<const char*>(data), static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

Result<std::unique_ptr<Database>> Database::Open(const Options& options, bool* corrupt) {
  std::unique_ptr<Database> database(new Database(options));
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int code =
      sqlite3_open_v2(options.file.c_str(), &database->db_, flags, options.vfs.empty() ? nullptr : options.vfs.c_str());
  Status opened;
  if (code != SQLITE_OK) {
    opened = Fail(database->TakeError("cannot open " + options.file.string(), code));
  } else {
    opened = database->Configure();
  }
  if (corrupt != nullptr) *corrupt = database->corrupt();
  if (!opened) return Fail(opened.error());
  return database;
}

Result<std::unique_ptr<Database>> Database::OpenReadOnly(const std::filesystem::path& file) {
  std::filesystem::path wal = file;
  wal += "-wal";
  std::error_code ignored;
  std::error_code hidden;
  if (!std::filesystem::exists(file, hidden)) {
    return Fail(Action::kFixConfig, hidden
                                        ? fmt::format("cannot look at {} ({}); run it as root or as the daemon's user",
                                                      file.string(), hidden.message())
                                        : fmt::format("{} does not exist", file.string()));
  }
  std::unique_ptr<Database> database(new Database({.file = file, .vfs = {}}));
  // Without a WAL nobody has it open and nothing is left to recover: then it can be read where nothing may be written.
  const bool immutable = !std::filesystem::exists(wal, ignored) && ::access(file.parent_path().c_str(), W_OK) != 0;
  const std::string uri =
      fmt::format("file:{}{}", UriPath(std::filesystem::absolute(file).string()), immutable ? "?immutable=1" : "");
  const int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  int code = sqlite3_open_v2(uri.c_str(), &database->db_, flags, nullptr);
  if (code == SQLITE_OK) {
    sqlite3_busy_timeout(database->db_, kBusyTimeoutMs);
    code = sqlite3_exec(database->db_, "PRAGMA trusted_schema=OFF; SELECT count(*) FROM sqlite_schema", nullptr,
                        nullptr, nullptr);
  }
  if (code == SQLITE_OK) return database;
  const Error error = database->TakeError("cannot read " + file.string(), code);
  return Fail(Action::kFixConfig,
              error.message + (database->corrupt() ? "; penumbrad brings back what is readable when it is started"
                                                   : "; run it as root or as the daemon's user"));
}

Database::~Database() {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(db_);
}

Status Database::Configure() {
  sqlite3_busy_timeout(db_, kBusyTimeoutMs);
  // The order matters: page_size and auto_vacuum are taken only before the first page is written, and WAL writes one.
  const std::uint32_t page_size = options_.page_size != 0 ? options_.page_size : kPageSize;
  // No automatic checkpoint: it would run inside a commit. The store checkpoints between commits.
  const std::string pragmas = fmt::format(
      "PRAGMA page_size={}; PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
      "PRAGMA secure_delete=OFF; PRAGMA journal_size_limit={}; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-{};"
      "PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF;",
      page_size, 2 * options_.wal_bytes, kCacheKib);
  if (const Status set = Execute(pragmas); !set) {
    return Fail(set.error().WithContext(fmt::format("{}", options_.file.string())));
  }
  sqlite3_wal_hook(db_, reinterpret_cast<int (*)(void*, sqlite3*, const char*, int)>(&Database::OnWal), this);
  const Result<std::int64_t> synchronous = Integer("PRAGMA synchronous");
  if (!synchronous) return Fail(synchronous.error());
  const Result<std::int64_t> vacuum = Integer("PRAGMA auto_vacuum");
  if (!vacuum) return Fail(vacuum.error());
  auto mode = Prepare("PRAGMA journal_mode");
  if (!mode) return Fail(mode.error());
  const Result<bool> row = mode->Step();
  if (!row) return Fail(row.error());
  if (*synchronous != kSynchronousFull || *vacuum != kIncrementalVacuum || mode->Bytes(0) != "wal") {
    return Fail(Action::kFatal, fmt::format("{}: SQLite did not take the settings that durability needs "
                                            "(journal_mode={}, synchronous={}, auto_vacuum={})",
                                            options_.file.string(), mode->Bytes(0), *synchronous, *vacuum));
  }
  return {};
}

int Database::OnWal(void* self, sqlite3*, const char*, int pages) {
  static_cast<Database*>(self)->wal_pages_ = pages;
  return SQLITE_OK;
}

Error Database::TakeError(std::string_view what, int code) {
  const int extended = db_ != nullptr ? sqlite3_extended_errcode(db_) : code;
  corrupt_ |= IsCorrupt(code) || IsCorrupt(extended);
  io_failed_ |= (code & 0xff) == SQLITE_IOERR;
  full_ |= (code & 0xff) == SQLITE_FULL;
  return MakeError(db_, what, extended);
}

Result<Statement> Database::Prepare(std::string_view sql) {
  const std::string key(sql);
  auto it = statements_.find(key);
  if (it == statements_.end()) {
    sqlite3_stmt* statement = nullptr;
    const int code = sqlite3_prepare_v3(db_, key.c_str(), static_cast<int>(key.size()), SQLITE_PREPARE_PERSISTENT,
                                        &statement, nullptr);
    misfits_ |= code == SQLITE_ERROR;
    if (code != SQLITE_OK) return Fail(TakeError(sql, code));
    it = statements_.emplace(key, statement).first;
  }
  return Statement(this, it->second);
}

Status Database::Execute(const std::string& sql) {
  const int code = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return Fail(TakeError(sql.substr(0, std::min(sql.find('\n'), kSqlInMessages)), code));
  return {};
}

Status Database::WriteAtCommitOnly() {
  return Execute("PRAGMA cache_spill=OFF");
}

Status Database::Begin() {
  full_ = false;
  return Execute("BEGIN IMMEDIATE");
}

Status Database::Commit() {
  return Execute("COMMIT");
}

void Database::Rollback() {
  // Some failures have rolled back already; then there is nothing left to do and nothing to report.
  if (sqlite3_get_autocommit(db_) == 0) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
}

Status Database::Savepoint() {
  return Execute("SAVEPOINT part");
}

Status Database::ReleaseSavepoint() {
  return Execute("RELEASE part");
}

Status Database::RollbackToSavepoint() {
  return Execute("ROLLBACK TO part; RELEASE part");
}

Result<std::int64_t> Database::Integer(std::string_view sql) {
  auto statement = Prepare(sql);
  if (!statement) return Fail(statement.error());
  const Result<bool> row = statement->Step();
  if (!row) return Fail(row.error());
  return *row ? statement->Int(0) : 0;
}

Result<std::optional<std::int64_t>> Database::Meta(std::string_view key) {
  auto statement = Prepare("SELECT value, sum FROM meta WHERE key = ?");
  if (!statement) return Fail(statement.error());
  const Result<bool> row = statement->Bind(1, key).Step();
  if (!row) return Fail(row.error());
  if (!*row) return std::nullopt;
  if (!statement->HasSum(1, PairSum(key, statement->Int(0))))
    return Fail(Damaged(fmt::format("meta {} is damaged", key)));
  return statement->Int(0);
}

Status Database::SetMeta(std::string_view key, std::int64_t value) {
  auto statement = Prepare("INSERT OR REPLACE INTO meta(key, value, sum) VALUES(?, ?, ?)");
  if (!statement) return Fail(statement.error());
  return statement->Bind(1, key).Bind(2, value).Bind(3, PairSum(key, value)).Run();
}

Error Database::Damaged(std::string what) {
  corrupt_ = true;
  return {Action::kGiveUp, std::move(what)};
}

Error Database::NoRoom(std::string what) {
  full_ = true;
  return {Action::kFatal, std::move(what)};
}

void Database::KeepWal() {
  sqlite3_db_config(db_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

Status Database::Checkpoint(bool everything) {
  int frames = 0;
  int copied = 0;
  const int mode = everything ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
  const int code = sqlite3_wal_checkpoint_v2(db_, nullptr, mode, &frames, &copied);
  // A reader (a shell, an export) may keep part of the WAL in use: the next checkpoint goes on from there.
  if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY) return Fail(TakeError("checkpoint", code));
  if (copied >= frames) wal_pages_ = 0;
  return {};
}

bool Database::HasMoved() const {
  int moved = 0;
  return sqlite3_file_control(db_, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved != 0;
}

Status Database::CopyTo(const std::filesystem::path& to) {
  auto copy = Prepare("VACUUM INTO ?");
  if (!copy) return Fail(copy.error());
  return copy->Bind(1, std::string_view(to.native())).Run();
}

}  // namespace penumbra
