#include "cli/store_export.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "api/render.hpp"
#include "base/json.hpp"
#include "cli/output.hpp"
#include "cli/store_verbs.hpp"
#include "store/database.hpp"

namespace penumbra::cli {
namespace {

constexpr std::size_t kBuffer = 64 * 1024;
constexpr int kRowsPerTransaction = 10'000;

// ISO 8601 with milliseconds, UTC. Years beyond 9999 have no such form and stay a number.
std::string IsoTime(std::int64_t unix_ms) {
  constexpr std::int64_t kLastMs = 253'402'300'799'999;
  if (unix_ms < 0 || unix_ms > kLastMs) return std::to_string(unix_ms);
  const std::time_t seconds = static_cast<std::time_t>(unix_ms / 1000);
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  return fmt::format("{}.{:03}Z", text, unix_ms % 1000);
}

// Text to a new file, or to standard output.
class TextOut {
 public:
  penumbra::Status Open(const std::filesystem::path& file) {
    file_ = file;
    if (file.empty()) return {};
    out_ = std::fopen(file.c_str(), "wxe");
    if (out_ == nullptr)
      return Trouble(errno == EEXIST ? "it exists; choose another name" : ErrnoMessage("cannot write", errno));
    return {};
  }
  ~TextOut() {
    if (out_ != nullptr) std::fclose(out_);
  }
  penumbra::Status Add(std::string_view text) {
    buffer_ += text;
    return buffer_.size() < kBuffer ? penumbra::Status() : Write();
  }
  penumbra::Status Finish() {
    if (const penumbra::Status written = Write(); !written) return written;
    if (out_ == nullptr) return {};
    if (std::fclose(std::exchange(out_, nullptr)) != 0) return Trouble(ErrnoMessage("cannot write", errno));
    return {};
  }

 private:
  penumbra::Status Write() {
    if (out_ == nullptr) {
      Print(buffer_);
    } else if (std::fwrite(buffer_.data(), 1, buffer_.size(), out_) != buffer_.size()) {
      return Trouble(ErrnoMessage("cannot write", errno));
    }
    buffer_.clear();
    return {};
  }
  penumbra::Status Trouble(const std::string& why) const {
    return Fail(Action::kFixConfig, fmt::format("{}: {}", file_.string(), why));
  }

  std::filesystem::path file_;
  std::FILE* out_ = nullptr;
  std::string buffer_;
};

class CsvSink : public ExportSink {
 public:
  explicit CsvSink(const Archive& archive) : archive_(archive) {}
  penumbra::Status Open(const std::filesystem::path& file) {
    if (const penumbra::Status opened = out_.Open(file); !opened) return opened;
    return out_.Add("thing,point,time,value,unit,quality,seq,sent,reason,time_trusted\r\n");
  }
  penumbra::Status Take(const StoredReading& row) override {
    const Reading& reading = row.reading;
    for (const PointValue& point : reading.values) {
      const auto* text = std::get_if<std::string>(&point.value);
      const std::string value = !HasValue(point.value) ? "" : text != nullptr ? *text : ToJsonText(point.value);
      const penumbra::Status done = out_.Add(fmt::format(
          "{},{},{},{},{},{},{},{},{},{}\r\n", CsvField(reading.thing), CsvField(point.point), IsoTime(reading.unix_ms),
          CsvField(value), CsvField(archive_.Unit(reading.thing, point.point)), ToString(point.quality), reading.seq,
          row.sent ? 1 : 0, CsvField(point.reason), reading.time_trusted ? 1 : 0));
      if (!done) return done;
    }
    return {};
  }
  penumbra::Status Finish() override { return out_.Finish(); }

 private:
  const Archive& archive_;
  TextOut out_;
};

class JsonSink : public ExportSink {
 public:
  penumbra::Status Open(const std::filesystem::path& file) { return out_.Open(file); }
  penumbra::Status Take(const StoredReading& row) override {
    OrderedJson json{{"thing", row.reading.thing}};
    json.update(api::Render(row));
    return out_.Add(api::Text(json) + "\n");
  }
  penumbra::Status Finish() override { return out_.Finish(); }

 private:
  TextOut out_;
};

class SqliteSink : public ExportSink {
 public:
  explicit SqliteSink(const Archive& archive) : archive_(archive) {}
  penumbra::Status Open(const std::filesystem::path& file) {
    if (file.empty()) return Fail(Action::kFixConfig, "--format sqlite wants --output FILE");
    std::error_code ignored;
    if (std::filesystem::exists(file, ignored)) {
      return Fail(Action::kFixConfig, fmt::format("{}: it exists; choose another name", file.string()));
    }
    auto database = Database::Open({.file = file, .vfs = {}}, nullptr);
    if (!database) return Fail(database.error());
    database_ = std::move(*database);
    const penumbra::Status made = database_->Execute(
        "CREATE TABLE reading(thing TEXT, point TEXT, time INTEGER, value, unit TEXT, quality TEXT, seq INTEGER, "
        "sent INTEGER, reason TEXT, time_trusted INTEGER)");
    return made ? database_->Begin() : made;
  }
  penumbra::Status Take(const StoredReading& row) override {
    for (const PointValue& point : row.reading.values) {
      if (const penumbra::Status done = Insert(row, point); !done) return done;
    }
    if (++rows_ % kRowsPerTransaction != 0) return {};
    if (const penumbra::Status done = database_->Commit(); !done) return done;
    if (const penumbra::Status done = database_->Checkpoint(true); !done) return done;
    return database_->Begin();
  }
  penumbra::Status Finish() override {
    penumbra::Status done = database_->Execute("CREATE INDEX reading_by_time ON reading(thing, time)");
    if (done) done = database_->Commit();
    if (done) done = database_->Checkpoint(true);
    // One file to copy, for programs that know no WAL.
    if (done) done = database_->Execute("PRAGMA journal_mode=DELETE");
    database_.reset();
    return done;
  }

 private:
  penumbra::Status Insert(const StoredReading& row, const PointValue& point) {
    auto insert = database_->Prepare("INSERT INTO reading VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    if (!insert) return Fail(insert.error());
    const Reading& reading = row.reading;
    insert->Bind(1, std::string_view(reading.thing)).Bind(2, std::string_view(point.point)).Bind(3, reading.unix_ms);
    BindValue(*insert, point.value);
    insert->Bind(5, std::string_view(archive_.Unit(reading.thing, point.point))).Bind(6, ToString(point.quality));
    insert->Bind(7, reading.seq).Bind(8, row.sent ? 1 : 0);
    if (point.reason.empty()) {
      insert->BindNull(9);
    } else {
      insert->Bind(9, std::string_view(point.reason));
    }
    return insert->Bind(10, reading.time_trusted ? 1 : 0).Run();
  }
  static void BindValue(Statement& insert, const Value& value) {
    constexpr int kColumn = 4;
    double number = 0;
    if (!HasValue(value)) {
      insert.BindNull(kColumn);
    } else if (const auto* flag = std::get_if<bool>(&value)) {
      insert.Bind(kColumn, *flag ? 1 : 0);
    } else if (const auto* whole = std::get_if<std::int64_t>(&value)) {
      insert.Bind(kColumn, *whole);
    } else if (const auto* large = std::get_if<std::uint64_t>(&value); large != nullptr && *large <= INT64_MAX) {
      insert.Bind(kColumn, *large);
    } else if (const auto* text = std::get_if<std::string>(&value)) {
      insert.Bind(kColumn, std::string_view(*text));
    } else if (ToDouble(value, number)) {
      insert.Bind(kColumn, number);
    }
  }

  const Archive& archive_;
  std::unique_ptr<Database> database_;
  std::uint64_t rows_ = 0;
};

template <typename Sink>
Result<std::unique_ptr<ExportSink>> Opened(std::unique_ptr<Sink> sink, const std::filesystem::path& file) {
  if (const penumbra::Status opened = sink->Open(file); !opened) return Fail(opened.error());
  return std::unique_ptr<ExportSink>(std::move(sink));
}

}  // namespace

Result<std::unique_ptr<ExportSink>> MakeSink(const std::string& format, const std::filesystem::path& file,
                                             const Archive& archive) {
  if (format == "csv") return Opened(std::make_unique<CsvSink>(archive), file);
  if (format == "jsonl") return Opened(std::make_unique<JsonSink>(), file);
  if (format == "sqlite") return Opened(std::make_unique<SqliteSink>(archive), file);
  return Fail(Action::kFixConfig, fmt::format("--format: \"{}\" is not csv, jsonl or sqlite", format));
}

}  // namespace penumbra::cli
