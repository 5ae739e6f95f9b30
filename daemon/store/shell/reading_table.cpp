// A loadable extension for the sqlite3 shell (and any program with SQLite): the table-valued function and virtual table
// `reading`, so that a Penumbra database can be read with plain SQL although its readings are packed blobs.
//
//   $ sqlite3 -readonly /var/lib/penumbra/penumbra.db
//   sqlite> .load /usr/lib/<multiarch>/penumbra/penumbra_reading
//   sqlite> SELECT datetime(time/1000, 'unixepoch'), value FROM reading WHERE thing = 'sensor-001' AND time > ...;
//
// Eponymous: nothing is created in the database. Conditions on `thing` and `time` are used to leave out what cannot
// match; everything else is SQLite's work. Reads only. Source: sqlite.org/vtab.html, loadext.html.
#include <sqlite3ext.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "store/archive.hpp"

SQLITE_EXTENSION_INIT1  // NOLINT

    namespace penumbra {
  namespace {

  constexpr const char* kDeclaration =
      "CREATE TABLE reading(thing TEXT, point TEXT, time INTEGER, value, unit TEXT, quality TEXT, seq INTEGER, "
      "sent INTEGER, reason TEXT, time_trusted INTEGER)";
  enum Column { kThing, kPoint, kTime, kValue, kUnit, kQuality, kSeq, kSent, kReason, kTimeTrusted };

  // Which conditions xBestIndex hands to xFilter, in this order.
  enum Wanted : int { kThingIs = 1, kTimeFrom = 2, kTimeAfter = 4, kTimeUntil = 8, kTimeBefore = 16, kTimeIs = 32 };

  class ShellReader : public SqlReader {
   public:
    explicit ShellReader(sqlite3* db) : db_(db) {}

    Status Select(std::string_view sql, std::span<const std::int64_t> parameters,
                  const std::function<Status(const Row&)>& each) override {
      sqlite3_stmt* raw = nullptr;
      if (sqlite3_prepare_v2(db_, sql.data(), static_cast<int>(sql.size()), &raw, nullptr) != SQLITE_OK)
        return Trouble();
      const std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> statement(raw, sqlite3_finalize);
      for (std::size_t i = 0; i < parameters.size(); ++i) {
        sqlite3_bind_int64(raw, static_cast<int>(i) + 1, parameters[i]);
      }
      const ShellRow row(raw);
      for (;;) {
        const int code = sqlite3_step(raw);
        if (code == SQLITE_DONE) return {};
        if (code != SQLITE_ROW) return Trouble();
        if (const Status done = each(row); !done) return done;
      }
    }

   private:
    class ShellRow : public Row {
     public:
      explicit ShellRow(sqlite3_stmt* statement) : statement_(statement) {}
      std::int64_t Int(int column) const override { return sqlite3_column_int64(statement_, column); }
      std::string_view Bytes(int column) const override {
        const void* data = sqlite3_column_blob(statement_, column);
        if (data == nullptr) return {};
        return {static_cast<const char*>(data), static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
      }

     private:
      sqlite3_stmt* statement_;
    };

    Status Trouble() const { return Fail(Action::kFatal, sqlite3_errmsg(db_)); }

    sqlite3* db_;
  };

  struct Table : sqlite3_vtab {
    sqlite3* db = nullptr;
  };

  // One pass: a few journal rows in memory, and where we are in them.
  struct Cursor : sqlite3_vtab_cursor {
    explicit Cursor(sqlite3* db) : sqlite3_vtab_cursor{}, reader(db) {}
    ShellReader reader;
    std::optional<Archive> archive;
    std::optional<Archive::Scan> scan;
    std::vector<StoredReading> page;
    std::size_t at = 0;     // in page
    std::size_t point = 0;  // in its values
    sqlite3_int64 rowid = 0;
    bool eof = true;
  };

  // C++ exceptions end here: nothing else in an extension may throw into SQLite.
  template <typename Work>
  int Guarded(sqlite3_vtab* table, Work work) {
    Status done;
    try {
      done = work();
    } catch (const std::bad_alloc&) {
      return SQLITE_NOMEM;
    } catch (const std::exception& e) {
      done = Fail(Action::kFatal, e.what());
    }
    if (done) return SQLITE_OK;
    sqlite3_free(table->zErrMsg);
    table->zErrMsg = sqlite3_mprintf("reading: %s", done.error().message.c_str());
    return SQLITE_ERROR;
  }

  int Connect(sqlite3* db, void*, int, const char* const*, sqlite3_vtab** out, char**) {
    if (const int code = sqlite3_declare_vtab(db, kDeclaration); code != SQLITE_OK) return code;
    auto* table = new (std::nothrow) Table{};
    if (table == nullptr) return SQLITE_NOMEM;
    table->db = db;
    *out = table;
    return SQLITE_OK;
  }

  int Disconnect(sqlite3_vtab* table) {
    delete static_cast<Table*>(table);
    return SQLITE_OK;
  }

  int WantedOf(const sqlite3_index_info::sqlite3_index_constraint& condition) {
    if (condition.iColumn == kThing) return condition.op == SQLITE_INDEX_CONSTRAINT_EQ ? kThingIs : 0;
    if (condition.iColumn != kTime) return 0;
    switch (condition.op) {
      case SQLITE_INDEX_CONSTRAINT_GE:
        return kTimeFrom;
      case SQLITE_INDEX_CONSTRAINT_GT:
        return kTimeAfter;
      case SQLITE_INDEX_CONSTRAINT_LE:
        return kTimeUntil;
      case SQLITE_INDEX_CONSTRAINT_LT:
        return kTimeBefore;
      case SQLITE_INDEX_CONSTRAINT_EQ:
        return kTimeIs;
      default:
        return 0;
    }
  }

  // The conditions are hints: SQLite checks every row again, so text compared with other rules stays right.
  int BestIndex(sqlite3_vtab*, sqlite3_index_info* info) {
    int wanted = 0;
    int arguments = 0;
    for (int bit = kThingIs; bit <= kTimeIs; bit *= 2) {
      for (int i = 0; i < info->nConstraint; ++i) {
        const auto& condition = info->aConstraint[i];
        if (!condition.usable || WantedOf(condition) != bit || (wanted & bit) != 0) continue;
        if (bit == kThingIs && std::strcmp(sqlite3_vtab_collation(info, i), "BINARY") != 0) continue;
        wanted |= bit;
        info->aConstraintUsage[i].argvIndex = ++arguments;
      }
    }
    info->idxNum = wanted;
    info->estimatedCost = (wanted & kThingIs ? 1e5 : 1e7) / (wanted & ~kThingIs ? 10 : 1);
    return SQLITE_OK;
  }

  int Open(sqlite3_vtab* table, sqlite3_vtab_cursor** out) {
    auto* cursor = new (std::nothrow) Cursor(static_cast<Table*>(table)->db);
    if (cursor == nullptr) return SQLITE_NOMEM;
    *out = cursor;
    return SQLITE_OK;
  }

  int Close(sqlite3_vtab_cursor* cursor) {
    delete static_cast<Cursor*>(cursor);
    return SQLITE_OK;
  }

  // Moves on to the next point that there is.
  Status Settle(Cursor& cursor) {
    for (;;) {
      while (cursor.at < cursor.page.size()) {
        if (cursor.point < cursor.page[cursor.at].reading.values.size()) return {};
        ++cursor.at;
        cursor.point = 0;
      }
      cursor.page.clear();
      cursor.at = 0;
      if (const Status read = cursor.scan->Next(cursor.page); !read) return read;
      if (!cursor.page.empty()) continue;
      cursor.eof = true;
      return {};
    }
  }

  // A bound of time as a whole number of milliseconds: `up`, the smallest not below it, else the largest not above it.
  // Text is larger than every number (sqlite.org/datatype3.html), NULL matches nothing: both are left to SQLite.
  std::optional<std::int64_t> Bound(sqlite3_value* value, bool up) {
    const int type = sqlite3_value_type(value);
    if (type == SQLITE_INTEGER) return sqlite3_value_int64(value);
    if (type != SQLITE_FLOAT) return std::nullopt;
    const double bound = up ? std::ceil(sqlite3_value_double(value)) : std::floor(sqlite3_value_double(value));
    if (!(bound > -9e18 && bound < 9e18)) return std::nullopt;
    return static_cast<std::int64_t>(bound);
  }

  Archive::Filter FilterOf(int wanted, sqlite3_value** values) {
    Archive::Filter filter;
    const auto from = [&](std::optional<std::int64_t> ms) {
      if (ms) filter.since_ms = std::max(filter.since_ms, *ms);
    };
    const auto until = [&](std::optional<std::int64_t> ms) {  // inclusive
      if (ms && *ms < INT64_MAX) filter.until_ms = std::min(filter.until_ms, *ms + 1);
    };
    if ((wanted & kThingIs) != 0) {
      const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(*values));
      if (text != nullptr) filter.thing = std::string(text, static_cast<std::size_t>(sqlite3_value_bytes(*values)));
      ++values;
    }
    if ((wanted & kTimeFrom) != 0) from(Bound(*values++, true));
    if ((wanted & kTimeAfter) != 0) from(Bound(*values++, false));
    if ((wanted & kTimeUntil) != 0) until(Bound(*values++, false));
    if ((wanted & kTimeBefore) != 0) until(Bound(*values++, true));
    if ((wanted & kTimeIs) != 0) {
      from(Bound(*values, true));
      until(Bound(*values, false));
    }
    return filter;
  }

  int Filter(sqlite3_vtab_cursor* base, int wanted, const char*, int, sqlite3_value** values) {
    auto& cursor = *static_cast<Cursor*>(base);
    return Guarded(base->pVtab, [&]() -> Status {
      cursor.page.clear();
      cursor.at = cursor.point = 0;
      cursor.rowid = 0;
      cursor.eof = false;
      auto archive = Archive::Open(cursor.reader);
      if (!archive) return Fail(archive.error());
      cursor.archive.emplace(std::move(*archive));
      cursor.scan.emplace(*cursor.archive, FilterOf(wanted, values));
      return Settle(cursor);
    });
  }

  int Next(sqlite3_vtab_cursor* base) {
    auto& cursor = *static_cast<Cursor*>(base);
    return Guarded(base->pVtab, [&]() -> Status {
      ++cursor.point;
      ++cursor.rowid;
      return Settle(cursor);
    });
  }

  int Eof(sqlite3_vtab_cursor* cursor) {
    return static_cast<Cursor*>(cursor)->eof ? 1 : 0;
  }

  void Text(sqlite3_context* context, std::string_view text) {
    sqlite3_result_text64(context, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  }

  void ResultOf(sqlite3_context* context, const Value& value) {
    if (const auto* flag = std::get_if<bool>(&value)) return sqlite3_result_int(context, *flag ? 1 : 0);
    if (const auto* number = std::get_if<std::int64_t>(&value)) return sqlite3_result_int64(context, *number);
    if (const auto* number = std::get_if<double>(&value)) return sqlite3_result_double(context, *number);
    if (const auto* text = std::get_if<std::string>(&value)) return Text(context, *text);
    if (const auto* number = std::get_if<std::uint64_t>(&value)) {
      // SQLite has no unsigned 64 bits; what does not fit becomes the nearest double.
      if (*number <= INT64_MAX) return sqlite3_result_int64(context, static_cast<sqlite3_int64>(*number));
      return sqlite3_result_double(context, static_cast<double>(*number));
    }
    sqlite3_result_null(context);
  }

  int ColumnOf(sqlite3_vtab_cursor* base, sqlite3_context* context, int column) {
    const auto& cursor = *static_cast<Cursor*>(base);
    const StoredReading& row = cursor.page[cursor.at];
    const PointValue& point = row.reading.values[cursor.point];
    switch (column) {
      case kThing:
        Text(context, row.reading.thing);
        break;
      case kPoint:
        Text(context, point.point);
        break;
      case kTime:
        sqlite3_result_int64(context, row.reading.unix_ms);
        break;
      case kValue:
        ResultOf(context, point.value);
        break;
      case kUnit:
        Text(context, cursor.archive->Unit(row.reading.thing, point.point));
        break;
      case kQuality:
        Text(context, ToString(point.quality));
        break;
      case kSeq:
        sqlite3_result_int64(context, static_cast<sqlite3_int64>(row.reading.seq));
        break;
      case kSent:
        sqlite3_result_int(context, row.sent ? 1 : 0);
        break;
      case kReason:
        if (!point.reason.empty()) Text(context, point.reason);
        break;
      case kTimeTrusted:
        sqlite3_result_int(context, row.reading.time_trusted ? 1 : 0);
        break;
      default:
        break;
    }
    return SQLITE_OK;
  }

  int Rowid(sqlite3_vtab_cursor* cursor, sqlite3_int64* rowid) {
    *rowid = static_cast<Cursor*>(cursor)->rowid;
    return SQLITE_OK;
  }

  // Without xCreate: an eponymous-only table, which exists as soon as the extension is loaded.
  sqlite3_module Module() {
    sqlite3_module module{};
    module.xConnect = Connect;
    module.xBestIndex = BestIndex;
    module.xDisconnect = Disconnect;
    module.xOpen = Open;
    module.xClose = Close;
    module.xFilter = Filter;
    module.xNext = Next;
    module.xEof = Eof;
    module.xColumn = ColumnOf;
    module.xRowid = Rowid;
    return module;
  }

  }  // namespace
}  // namespace penumbra

// The entry point that SQLite derives from the file's name, penumbra_reading.so.
extern "C" __attribute__((visibility("default"))) int sqlite3_penumbrareading_init(sqlite3* db, char**,
                                                                                   const sqlite3_api_routines* api) {
  SQLITE_EXTENSION_INIT2(api)
  static const sqlite3_module kModule = penumbra::Module();
  return sqlite3_create_module_v2(db, "reading", &kModule, nullptr, nullptr);
}
