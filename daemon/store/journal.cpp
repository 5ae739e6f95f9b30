#include "store/journal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "store/ranges.hpp"

namespace penumbra {
namespace {

using Kind = Dictionary::Kind;

struct WordTable {
  Kind kind;
  const char* select;
  const char* insert;
};
constexpr WordTable kWordTables[] = {
    {Kind::kThing, "SELECT id, name FROM thing", "INSERT INTO thing(id, name) VALUES(?, ?)"},
    {Kind::kWord, "SELECT id, text FROM word", "INSERT INTO word(id, text) VALUES(?, ?)"},
    {Kind::kPointSet, "SELECT id, points FROM point_set", "INSERT INTO point_set(id, points) VALUES(?, ?)"},
};

constexpr std::string_view kSnapshotRow = "snapshot_row";
constexpr std::string_view kReadings = "readings";
constexpr std::string_view kNewestTrusted = "newest_trusted_ms";
constexpr std::string_view kAge = "age_ms";
constexpr std::string_view kGeneration = "generation";
constexpr std::string_view kClosed = "closed";  // 1: the last end was a clean one

}  // namespace

Result<std::unique_ptr<Journal>> Journal::Load(Database& database, SeqMark& mark, const Options& options, bool first) {
  std::unique_ptr<Journal> journal(new Journal(database, mark, options));
  for (const Status& done : {journal->LoadDictionary(), journal->LoadSnapshot(), journal->Replay()}) {
    if (!done) return Fail(done.error().WithContext("recovering the journal"));
  }
  if (const Status done = journal->ReconcileGeneration(first); !done) return Fail(done.error());
  return journal;
}

Status Journal::LoadDictionary() {
  for (const WordTable& table : kWordTables) {
    auto rows = database_.Prepare(table.select);
    if (!rows) return Fail(rows.error());
    for (;;) {
      const Result<bool> row = rows->Step();
      if (!row) return Fail(row.error());
      if (!*row) break;
      dictionary_.Load(table.kind, static_cast<std::uint64_t>(rows->Int(0)), std::string(rows->Bytes(1)));
    }
  }
  return {};
}

Status Journal::LoadSnapshot() {
  const Result<std::int64_t> row = Meta(kSnapshotRow, 0);
  const Result<std::int64_t> readings = Meta(kReadings, 0);
  const Result<std::int64_t> trusted = Meta(kNewestTrusted, 0);
  const Result<std::int64_t> age = Meta(kAge, trusted ? *trusted : 0);
  for (const auto* value : {&row, &readings, &trusted, &age}) {
    if (!*value) return Fail(value->error());
  }
  block_ = Block::StartingAt(*row + 1);
  readings_ = static_cast<std::uint64_t>(*readings);
  newest_trusted_ms_ = *trusted;
  age_ms_ = *age;
  auto states = database_.Prepare("SELECT thing, last_seq, last_ms, ranges FROM outbox");
  if (!states) return Fail(states.error());
  for (;;) {
    const Result<bool> more = states->Step();
    if (!more) return Fail(more.error());
    if (!*more) return {};
    const std::string* name = dictionary_.Find(Kind::kThing, static_cast<std::uint64_t>(states->Int(0)));
    if (name == nullptr) return Fail(Action::kGiveUp, "the outbox names an unknown thing");
    ThingState& thing = Thing(*name);
    thing.newest_seq = static_cast<std::uint64_t>(states->Int(1));
    thing.newest_ms = states->Int(2);
    if (!DecodeRanges(states->Bytes(3), thing.unsent)) return Fail(Action::kGiveUp, "the outbox is damaged");
  }
}

Status Journal::Replay() {
  auto rows = database_.Prepare("SELECT id, data FROM journal WHERE id >= ? ORDER BY id");
  if (!rows) return Fail(rows.error());
  rows->Bind(1, block_.first_row);
  for (;;) {
    const Result<bool> more = rows->Step();
    if (!more) return Fail(more.error());
    if (!*more) return {};
    const Result<RowHeader> header = DecodeHeader(rows->Bytes(1));
    if (header) {
      AddToState(*header, rows->Bytes(1).size());
      block_.last_row = rows->Int(0);
      continue;
    }
    // Its seqs are unknown, so nobody may get a number that it may have given.
    seq_floor_ = mark_.mark();
    block_.last_row = rows->Int(0);
    log::Error("store.damaged_row", "a journal row is damaged; its readings are lost",
               {{"row", rows->Int(0)}, {"reason", header.error().message}});
  }
}

Status Journal::ReconcileGeneration(bool first) {
  const Result<std::int64_t> stored = Meta(kGeneration, -1);
  if (!stored) return Fail(stored.error());
  const auto used_last = static_cast<std::int64_t>(mark_.generation());
  if (*stored >= 0 && *stored != used_last) {
    seq_floor_ = mark_.mark();
    log::Warning("store.other_generation", "this database is not the one used last; sequence numbers jump ahead",
                 {{"database", *stored}, {"mark", used_last}, {"next", seq_floor_}});
  }
  const Result<std::int64_t> closed = Meta(kClosed, 1);
  if (!closed) return Fail(closed.error());
  if (first && (options_.wal_doubtful || (options_.wal_missing && *closed == 0))) {
    DoubtSeqs();
    log::Warning("store.wal_incomplete", "the WAL was cut or damaged; sequence numbers jump ahead",
                 {{"missing", options_.wal_missing ? 1 : 0}, {"next", seq_floor_}});
  }
  if (!first && *stored >= 0) return {};
  if (first) {
    if (const Status next = mark_.NextGeneration(); !next) return next;
  }
  if (const Status begun = database_.Begin(); !begun) return begun;
  if (const Status set = OpenGeneration(); !set) return set;
  return database_.Commit();
}

Status Journal::OpenGeneration() {
  if (const Status set = SetMeta(kClosed, 0); !set) return set;
  return SetMeta(kGeneration, static_cast<std::int64_t>(mark_.generation()));
}

Status Journal::CloseGeneration() {
  if (const Status next = mark_.NextGeneration(); !next) return next;
  if (const Status set = SetMeta(kClosed, 1); !set) return set;
  return SetMeta(kGeneration, static_cast<std::int64_t>(mark_.generation()));
}

void Journal::TimesChanged() {
  for (auto& [name, thing] : things_) thing.oldest_seq = 0;
}

Status Journal::LowerNewestTrusted(std::int64_t unix_ms) {
  if (newest_trusted_ms_ <= unix_ms) return {};
  newest_trusted_ms_ = unix_ms;
  // With the block ended, no row is replayed at the next start that could bring the wrong time back.
  if (const Status closed = CloseBlock(); !closed) return closed;
  return SetMeta(kNewestTrusted, unix_ms);
}

Status Journal::SetMeta(std::string_view key, std::int64_t value) {
  auto statement = database_.Prepare("INSERT OR REPLACE INTO meta(key, value) VALUES(?, ?)");
  if (!statement) return Fail(statement.error());
  return statement->Bind(1, key).Bind(2, value).Run();
}

Result<std::int64_t> Journal::Meta(std::string_view key, std::int64_t otherwise) {
  auto statement = database_.Prepare("SELECT value FROM meta WHERE key = ?");
  if (!statement) return Fail(statement.error());
  const Result<bool> row = statement->Bind(1, key).Step();
  if (!row) return Fail(row.error());
  return *row ? statement->Int(0) : otherwise;
}

Journal::ThingState& Journal::Thing(const std::string& name) {
  const auto [it, added] = things_.try_emplace(name);
  if (added) {
    it->second.name = name;
    it->second.id = *dictionary_.Intern(Kind::kThing, name);
    by_id_[it->second.id] = &it->second;
  }
  return it->second;
}

Journal::ThingState* Journal::ById(std::uint64_t id) {
  if (const auto it = by_id_.find(id); it != by_id_.end()) return it->second;
  const std::string* name = dictionary_.Find(Kind::kThing, id);
  return name == nullptr ? nullptr : &Thing(*name);
}

Status Journal::Write(std::vector<Reading>& readings, const AckMap& acks, std::int64_t now_ms) {
  if (const Status given = GiveSeqs(readings, now_ms); !given) return given;
  const std::vector<AckRange> ack_ranges = ApplyAcks(acks);
  if (readings.empty() && ack_ranges.empty()) return {};
  const std::string blob = EncodeRow(readings, ack_ranges, dictionary_);
  if (const Status words = WriteFreshWords(); !words) return words;
  auto insert = database_.Prepare("INSERT INTO journal(id, data) VALUES(?, ?)");
  if (!insert) return Fail(insert.error());
  if (const Status done = insert->Bind(1, block_.last_row + 1).BindBlob(2, blob).Run(); !done) return done;
  const Result<RowHeader> header = DecodeHeader(blob);
  if (!header) return Fail(Action::kFatal, "our own journal row does not read back");
  AddToState(*header, blob.size());
  const bool full =
      block_.last_row - block_.first_row + 1 >= options_.max_block_rows || block_.bytes >= options_.max_block_bytes;
  return full ? CloseBlock() : Status();
}

Status Journal::GiveSeqs(std::vector<Reading>& readings, std::int64_t now_ms) {
  const std::uint64_t first_of_new = mark_.FirstFor(now_ms);
  std::unordered_map<std::string_view, std::uint64_t> next;
  std::uint64_t largest = 0;
  for (Reading& reading : readings) {
    const auto [it, added] = next.try_emplace(reading.thing);
    if (added) {
      const auto known = things_.find(reading.thing);
      it->second = known == things_.end() || known->second.newest_seq == 0
                       ? first_of_new
                       : std::max(known->second.newest_seq + 1, seq_floor_);
    }
    reading.seq = it->second++;
    largest = std::max(largest, reading.seq);
  }
  return largest == 0 ? Status() : mark_.Reserve(largest);
}

std::vector<AckRange> Journal::ApplyAcks(const AckMap& acks) {
  std::vector<AckRange> ranges;
  for (const auto& [name, set] : acks) {
    const auto thing = things_.find(name);
    if (thing == things_.end()) continue;
    IntervalSet& unsent = thing->second.unsent;
    for (const auto& [first, last] : set.map()) {
      // Thousands of holes mean that acks come in no order at all; then sending again is cheaper than remembering.
      if (unsent.ranges() >= kMaxAckRanges) break;
      if (unsent.Remove(first, last) > 0) ranges.push_back({thing->second.id, first, last});
    }
  }
  std::sort(ranges.begin(), ranges.end(), [](const AckRange& a, const AckRange& b) {
    return std::pair(a.thing, a.first) < std::pair(b.thing, b.first);
  });
  return ranges;
}

Status Journal::WriteFreshWords() {
  for (const Dictionary::Entry& entry : dictionary_.TakeFresh()) {
    auto insert = database_.Prepare(kWordTables[static_cast<std::size_t>(entry.kind)].insert);
    if (!insert) return Fail(insert.error());
    const Status done = insert->Bind(1, entry.id).Bind(2, std::string_view(entry.text)).Run();
    if (!done) return done;
  }
  return {};
}

// Across a reboot BootTime says nothing of how long it took: the age then catches up little by little.
void Journal::AdvanceAge(const RowHeader& header) {
  if (!header.newest_trusted_ms) return;
  const std::int64_t before_ns = std::exchange(age_boot_ns_, header.base_boot_ns).value_or(header.base_boot_ns);
  if (age_ms_ == 0) age_ms_ = *header.newest_trusted_ms;
  const std::int64_t passed_ms = std::max<std::int64_t>(0, header.base_boot_ns / 1'000'000 - before_ns / 1'000'000);
  const std::int64_t most_ms = passed_ms > INT64_MAX / 2 - age_ms_ ? INT64_MAX : age_ms_ + 2 * passed_ms;
  age_ms_ = std::max(age_ms_, std::min(*header.newest_trusted_ms, most_ms));
}

void Journal::AddToState(const RowHeader& header, std::size_t blob_bytes) {
  for (const AckRange& ack : header.acks) {
    if (ThingState* thing = ById(ack.thing)) thing->unsent.Remove(ack.first, ack.last);
  }
  for (const RowSection& section : header.sections) {
    ThingState* thing = ById(section.thing);
    if (thing == nullptr) continue;
    thing->unsent.Add(section.first_seq, section.last_seq());
    thing->newest_seq = section.last_seq();
    thing->newest_ms = section.last_ms;
    readings_ += section.count;
  }
  AdvanceAge(header);
  newest_trusted_ms_ = std::max(newest_trusted_ms_, header.newest_trusted_ms.value_or(0));
  block_.Add(header, blob_bytes);
}

Status Journal::CloseBlock() {
  if (block_.empty()) return {};
  auto insert = database_.Prepare(
      "INSERT INTO block(first_row, last_row, oldest_ms, newest_ms, trusted, readings, bytes, things) "
      "VALUES(?, ?, ?, ?, ?, ?, ?, ?)");
  if (!insert) return Fail(insert.error());
  const std::string things = EncodeBlockThings(block_.things);
  insert->Bind(1, block_.first_row).Bind(2, block_.last_row).Bind(3, block_.oldest_ms).Bind(4, block_.newest_ms);
  insert->Bind(5, block_.trusted ? 1 : 0).Bind(6, block_.readings).Bind(7, block_.bytes).BindBlob(8, things);
  if (const Status done = insert->Run(); !done) return done;
  for (const auto& [name, thing] : things_) {
    auto state = database_.Prepare(
        "INSERT OR REPLACE INTO outbox(thing, last_seq, last_ms, unsent, ranges) VALUES(?, ?, ?, ?, ?)");
    if (!state) return Fail(state.error());
    const std::string ranges = EncodeRanges(thing.unsent);
    state->Bind(1, thing.id).Bind(2, thing.newest_seq).Bind(3, thing.newest_ms).Bind(4, thing.unsent.count());
    if (const Status done = state->BindBlob(5, ranges).Run(); !done) return done;
  }
  if (const Status done = SetMeta(kReadings, static_cast<std::int64_t>(readings_)); !done) return done;
  if (const Status done = SetMeta(kNewestTrusted, newest_trusted_ms_); !done) return done;
  if (const Status done = SetMeta(kAge, age_ms_); !done) return done;
  if (const Status done = SetMeta(kSnapshotRow, block_.last_row); !done) return done;
  block_ = Block::StartingAt(block_.last_row + 1);
  return {};
}

Result<std::uint64_t> Journal::Drop(const Block& block) {
  auto rows = database_.Prepare("DELETE FROM journal WHERE id BETWEEN ? AND ?");
  if (!rows) return Fail(rows.error());
  if (const Status done = rows->Bind(1, block.first_row).Bind(2, block.last_row).Run(); !done)
    return Fail(done.error());
  auto entry = database_.Prepare("DELETE FROM block WHERE first_row = ?");
  if (!entry) return Fail(entry.error());
  if (const Status done = entry->Bind(1, block.first_row).Run(); !done) return Fail(done.error());
  std::uint64_t unsent = 0;
  for (const BlockThing& part : block.things) {
    ThingState* thing = ById(part.thing);
    if (thing == nullptr) continue;
    const std::uint64_t lost = thing->unsent.Remove(part.first_seq, part.last_seq);
    unsent += lost;
    if (lost == 0) continue;
    // The snapshot may be older than this moment; rows behind it are replayed on top and change nothing here, because
    // they only add seqs of their own and remove acknowledged ones.
    auto state = database_.Prepare("UPDATE outbox SET unsent = ?, ranges = ? WHERE thing = ?");
    if (!state) return Fail(state.error());
    const std::string ranges = EncodeRanges(thing->unsent);
    const Status done = state->Bind(1, thing->unsent.count()).BindBlob(2, ranges).Bind(3, thing->id).Run();
    if (!done) return Fail(done.error());
  }
  readings_ -= std::min(readings_, block.readings);
  // As of the snapshot, that is without the newest block, which is replayed.
  const Status done = SetMeta(kReadings, static_cast<std::int64_t>(readings_ - std::min(readings_, block_.readings)));
  if (!done) return Fail(done.error());
  return unsent;
}

}  // namespace penumbra
