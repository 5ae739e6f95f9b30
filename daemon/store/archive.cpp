#include "store/archive.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "store/codec.hpp"
#include "store/journal_block.hpp"
#include "store/ranges.hpp"
#include "store/units.hpp"

namespace penumbra {
namespace {

using Kind = Dictionary::Kind;

}  // namespace

Result<Archive> Archive::Open(SqlReader& sql) {
  Archive archive(sql);
  for (const auto load : {&Archive::LoadNames, &Archive::LoadTimes, &Archive::LoadUnits, &Archive::LoadUnsent}) {
    if (const Status done = (archive.*load)(); !done) return Fail(done.error());
  }
  return archive;
}

Status Archive::LoadNames() {
  constexpr std::pair<Kind, std::string_view> kTables[] = {{Kind::kThing, "SELECT id, name FROM thing"},
                                                           {Kind::kWord, "SELECT id, text FROM word"},
                                                           {Kind::kPointSet, "SELECT id, points FROM point_set"}};
  for (const auto& [kind, select] : kTables) {
    const Status done = sql_->Select(select, {}, [&, kind = kind](const SqlReader::Row& row) -> Status {
      dictionary_.Load(kind, static_cast<std::uint64_t>(row.Int(0)), std::string(row.Bytes(1)));
      return {};
    });
    if (!done) {
      return Fail(Action::kFixConfig, fmt::format("this is no Penumbra database: {}", done.error().message));
    }
  }
  return {};
}

Status Archive::LoadTimes() {
  std::map<std::string, WallHistory> boots;
  const Status done =
      sql_->Select("SELECT boot, from_ns, offset_ms, true_offset_ms, trusted FROM boot_time ORDER BY boot, from_ns", {},
                   [&](const SqlReader::Row& row) -> Status {
                     WallHistory& history = boots[std::string(row.Bytes(0))];
                     history.boot_id = row.Bytes(0);
                     history.eras.push_back({row.Int(1), row.Int(2), row.Int(3), row.Int(4) != 0});
                     return {};
                   });
  if (!done)
    return Fail(Action::kFixConfig,
                fmt::format("the database needs a start of penumbrad to be upgraded: {}", done.error().message));
  for (auto& [boot, history] : boots) times_.Put(std::move(history));
  return {};
}

Status Archive::LoadUnits() {
  return sql_->Select("SELECT key, value FROM setting WHERE key >= 'unit/' AND key < 'unit0'", {},
                      [&](const SqlReader::Row& row) -> Status {
                        if (auto of = SplitUnitKey(row.Bytes(0))) units_[std::move(*of)] = row.Bytes(1);
                        return {};
                      });
}

// What is not acknowledged: the snapshot, and the rows behind it on top.
Status Archive::LoadUnsent() {
  std::int64_t snapshot = 0;
  Status done =
      sql_->Select("SELECT value FROM meta WHERE key = 'snapshot_row'", {}, [&](const SqlReader::Row& row) -> Status {
        snapshot = row.Int(0);
        return {};
      });
  if (!done) return done;
  done = sql_->Select("SELECT thing, ranges FROM outbox", {}, [&](const SqlReader::Row& row) -> Status {
    if (DecodeRanges(row.Bytes(1), unsent_[static_cast<std::uint64_t>(row.Int(0))])) return {};
    return Fail(Action::kGiveUp, "the outbox is damaged");
  });
  if (!done) return done;
  last_row_ = snapshot;
  const std::int64_t from[] = {snapshot};
  return sql_->Select("SELECT id, data FROM journal WHERE id > ? ORDER BY id", from,
                      [&](const SqlReader::Row& row) -> Status {
                        last_row_ = row.Int(0);
                        Replay(row.Bytes(1));
                        return {};
                      });
}

void Archive::Replay(std::string_view blob) {
  const Result<RowHeader> header = DecodeHeader(blob);
  if (!header) return;  // damaged: the scan will say so
  for (const AckRange& ack : header->acks) unsent_[ack.thing].Remove(ack.first, ack.last);
  for (const RowSection& section : header->sections) {
    unsent_[section.thing].Add(section.first_seq, section.last_seq());
  }
}

std::vector<std::string> Archive::Things() const {
  std::vector<std::string> names;
  for (const auto& [id, unsent] : unsent_) {
    if (const std::string* name = dictionary_.Find(Kind::kThing, id)) names.push_back(*name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

const std::string& Archive::Unit(const std::string& thing, const std::string& point) const {
  static const std::string kNone;
  const auto it = units_.find({thing, point});
  return it == units_.end() ? kNone : it->second;
}

Archive::Scan::Scan(const Archive& archive, Filter filter) : archive_(&archive), filter_(std::move(filter)) {
  if (!filter_.thing) return;
  thing_id_ = archive.dictionary_.IdOf(Kind::kThing, *filter_.thing);
  done_ = !thing_id_;
}

// Leaves out the blocks that cannot have anything; what is behind the last block is always read.
Status Archive::Scan::SkipToBlock() {
  while (row_ <= archive_->last_row_ && row_ > readable_to_) {
    bool found = false;
    bool wanted = true;
    std::int64_t first = row_;
    std::int64_t last = archive_->last_row_;
    const std::int64_t parameters[] = {row_};
    const Status done = archive_->sql_->Select(
        "SELECT first_row, last_row, oldest_ms, newest_ms, things FROM block WHERE last_row >= ? ORDER BY first_row "
        "LIMIT 1",
        parameters, [&](const SqlReader::Row& row) -> Status {
          found = true;
          first = std::max(row.Int(0), row_);
          last = row.Int(1);
          wanted = archive_->times_.MayLieIn(row.Int(2), row.Int(3), filter_.since_ms, filter_.until_ms);
          const auto things = DecodeBlockThings(row.Bytes(4));
          // A directory that cannot be read hides nothing.
          if (!things || !thing_id_ || !wanted) return {};
          wanted = std::any_of(things->begin(), things->end(),
                               [&](const BlockThing& thing) { return thing.thing == *thing_id_; });
          return {};
        });
    if (!done) return done;
    row_ = wanted ? first : last + 1;
    if (wanted) readable_to_ = last;  // of a block that has been closed since, also what is behind last_row_
    if (!found) return {};
  }
  return {};
}

void Archive::Scan::Collect(std::string_view blob, std::vector<StoredReading>& out) {
  const Result<RowHeader> header = DecodeHeader(blob);
  if (!header) {
    ++damaged_;
    return;
  }
  for (const RowSection& section : header->sections) {
    if (thing_id_ && section.thing != *thing_id_) continue;
    std::vector<Reading> readings;
    if (!DecodeSection(blob, *header, section, archive_->dictionary_, readings)) {
      ++damaged_;
      continue;
    }
    const auto unsent = archive_->unsent_.find(section.thing);
    for (Reading& reading : readings) {
      archive_->times_.Redate(reading);
      if (reading.unix_ms < filter_.since_ms || reading.unix_ms >= filter_.until_ms) continue;
      const bool sent = unsent == archive_->unsent_.end() || !unsent->second.Contains(reading.seq);
      out.push_back({std::move(reading), sent});
    }
  }
}

Status Archive::Scan::Next(std::vector<StoredReading>& out) {
  const std::size_t before = out.size();
  while (!done_ && out.size() == before) {
    if (const Status found = SkipToBlock(); !found) return found;
    if (row_ > archive_->last_row_) {
      done_ = true;
      return {};
    }
    const std::int64_t last = readable_to_;
    const std::int64_t parameters[] = {row_, last, kRowsAtOnce};
    int rows = 0;
    const Status done =
        archive_->sql_->Select("SELECT id, data FROM journal WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?", parameters,
                               [&](const SqlReader::Row& row) -> Status {
                                 ++rows;
                                 row_ = row.Int(0) + 1;
                                 Collect(row.Bytes(1), out);
                                 return {};
                               });
    if (!done) return done;
    if (rows < kRowsAtOnce) row_ = std::max(row_, last + 1);  // the rest of the run has been removed meanwhile
  }
  return {};
}

}  // namespace penumbra
