#include "store/journal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/log.hpp"
#include "store/gap.hpp"
#include "store/ranges.hpp"
#include "store/row_sum.hpp"

namespace penumbra {
namespace {

using Kind = Dictionary::Kind;

struct WordTable {
  Kind kind;
  const char* select;
  const char* insert;
};
constexpr WordTable kWordTables[] = {
    {Kind::kThing, "SELECT id, name, sum FROM thing", "INSERT INTO thing(id, name, sum) VALUES(?, ?, ?)"},
    {Kind::kWord, "SELECT id, text, sum FROM word", "INSERT INTO word(id, text, sum) VALUES(?, ?, ?)"},
    {Kind::kPointSet, "SELECT id, points, sum FROM point_set",
     "INSERT INTO point_set(id, points, sum) VALUES(?, ?, ?)"},
};

constexpr std::string_view kSnapshotRow = "snapshot_row";
constexpr std::string_view kReadings = "readings";
constexpr std::string_view kNewestTrusted = "newest_trusted_ms";
constexpr std::string_view kAge = "age_ms";
constexpr std::string_view kGeneration = "generation";
constexpr std::string_view kClosed = "closed";  // 1: the last end was a clean one

std::int64_t OutboxSum(std::int64_t thing, std::int64_t last_seq, std::int64_t last_ms, std::string_view ranges) {
  return RowSum().Add(thing).Add(last_seq).Add(last_ms).Add(ranges).value();
}

}  // namespace

Result<std::unique_ptr<Journal>> Journal::Load(Database& database, SeqMark& mark, const Options& options, bool first) {
  std::unique_ptr<Journal> journal(new Journal(database, mark, options));
  for (const Status& done :
       {journal->LoadDictionary(), journal->LoadSnapshot(), journal->Replay(), journal->LoadHoles()}) {
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
      const auto id = static_cast<std::uint64_t>(rows->Int(0));
      if (!rows->HasSum(2, NameSum(id, rows->Bytes(1)))) return Fail(database_.Damaged("a name is damaged"));
      dictionary_.Load(table.kind, id, std::string(rows->Bytes(1)));
    }
  }
  return {};
}

Status Journal::LoadSnapshot() {
  const auto stored = database_.Meta(kSnapshotRow);
  if (!stored) return Fail(stored.error());
  const Result<std::int64_t> blocks = database_.Integer("SELECT count(*) FROM block");
  if (!blocks) return Fail(blocks.error());
  if (!*stored && *blocks > 0) return Fail(database_.Damaged("the place of the snapshot is lost"));
  const Result<std::int64_t> row = stored->value_or(0);
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
  auto states = database_.Prepare("SELECT thing, last_seq, last_ms, ranges, sum FROM outbox");
  if (!states) return Fail(states.error());
  for (;;) {
    const Result<bool> more = states->Step();
    if (!more) return Fail(more.error());
    if (!*more) return {};
    const std::int64_t sum = OutboxSum(states->Int(0), states->Int(1), states->Int(2), states->Bytes(3));
    if (!states->HasSum(4, sum)) return Fail(database_.Damaged("the outbox is damaged"));
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
  std::set<std::uint64_t> seen_since_damage;
  bool damaged = false;
  for (;;) {
    const Result<bool> more = rows->Step();
    if (!more) return Fail(more.error());
    if (!*more) return {};
    const Result<RowHeader> header = DecodeHeader(rows->Bytes(1));
    if (header) {
      if (damaged) FindWhatDamageTook(*header, seen_since_damage);
      AddToState(*header, rows->Bytes(1).size());
      block_.last_row = rows->Int(0);
      continue;
    }
    // Its seqs are unknown, so nobody may get a number that it may have given.
    seq_floor_ = mark_.mark();
    block_.last_row = rows->Int(0);
    damaged = true;
    seen_since_damage.clear();
    log::Error("store.damaged_row", "a journal row is damaged; its readings are lost",
               {{"row", rows->Int(0)}, {"reason", header.error().message}});
  }
}

// The seqs of a thing between the last row before a damaged one and the first behind it were in the damaged one.
void Journal::FindWhatDamageTook(const RowHeader& header, std::set<std::uint64_t>& seen) {
  for (const RowSection& section : header.sections) {
    ThingState* thing = ById(section.thing);
    if (thing == nullptr || !seen.insert(section.thing).second || thing->newest_seq == 0) continue;
    if (section.first_seq <= thing->newest_seq + 1) continue;
    thing->unsent.Add(thing->newest_seq + 1, section.first_seq - 1);
    missing_.damaged[thing->name].Add(thing->newest_seq + 1, section.first_seq - 1);
  }
}

Status Journal::ReconcileGeneration(bool first) {
  const Result<std::int64_t> stored = Meta(kGeneration, -1);
  if (!stored) return Fail(stored.error());
  const auto used_last = static_cast<std::int64_t>(mark_.generation());
  if (*stored > used_last) {
    // The mark is lost. Rows may be numbered by generations (salvage.hpp); and the database may be an old copy, so that
    // the seqs it does not know of have to be guessed at.
    std::uint64_t newest = 0;
    for (const auto& [name, thing] : things_) newest = std::max(newest, thing.newest_seq);
    if (const Status regained = mark_.Regain(newest, static_cast<std::uint64_t>(*stored)); !regained) return regained;
  }
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
  if (const Status set = database_.SetMeta(kClosed, 0); !set) return set;
  return database_.SetMeta(kGeneration, static_cast<std::int64_t>(mark_.generation()));
}

Status Journal::CloseGeneration() {
  if (const Status next = mark_.NextGeneration(); !next) return next;
  if (const Status set = database_.SetMeta(kClosed, 1); !set) return set;
  return database_.SetMeta(kGeneration, static_cast<std::int64_t>(mark_.generation()));
}

void Journal::TimesChanged() {
  for (auto& [name, thing] : things_) thing.oldest_seq = 0;
}

Status Journal::LowerNewestTrusted(std::int64_t unix_ms) {
  if (newest_trusted_ms_ <= unix_ms) return {};
  newest_trusted_ms_ = unix_ms;
  // With the block ended, no row is replayed at the next start that could bring the wrong time back.
  if (const Status closed = CloseBlock(); !closed) return closed;
  return database_.SetMeta(kNewestTrusted, unix_ms);
}

Result<std::int64_t> Journal::Meta(std::string_view key, std::int64_t otherwise) {
  const auto stored = database_.Meta(key);
  if (!stored) return Fail(stored.error());
  return stored->value_or(otherwise);
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
      // An ack that makes no new hole is always taken, so that the holes close again.
      const bool splits = first > 0 && unsent.Contains(first - 1) && unsent.Contains(last + 1);
      if (splits && unsent.ranges() >= kMaxAckRanges) {
        acks_not_kept_ += unsent.CountIn(first, last);
        continue;
      }
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
    insert->Bind(1, entry.id).Bind(2, std::string_view(entry.text)).Bind(3, NameSum(entry.id, entry.text));
    const Status done = insert->Run();
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

Status Journal::StoreBlock(const Block& block) {
  auto row = database_.Prepare(
      "INSERT OR REPLACE INTO block(first_row, last_row, oldest_ms, newest_ms, trusted, readings, bytes, things, "
      "layout, sum) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  if (!row) return Fail(row.error());
  const std::string things = EncodeBlockThings(block.things);
  row->Bind(1, block.first_row).Bind(2, block.last_row).Bind(3, block.oldest_ms).Bind(4, block.newest_ms);
  row->Bind(5, block.trusted ? 1 : 0).Bind(6, block.readings).Bind(7, block.bytes).BindBlob(8, things);
  return row->Bind(9, static_cast<int>(block.layout)).Bind(10, BlockSum(block, things)).Run();
}

Status Journal::StoreThing(const ThingState& thing) {
  auto state = database_.Prepare(
      "INSERT OR REPLACE INTO outbox(thing, last_seq, last_ms, unsent, ranges, sum) VALUES(?, ?, ?, ?, ?, ?)");
  if (!state) return Fail(state.error());
  const std::string ranges = EncodeRanges(thing.unsent);
  state->Bind(1, thing.id).Bind(2, thing.newest_seq).Bind(3, thing.newest_ms).Bind(4, thing.unsent.count());
  const auto id = static_cast<std::int64_t>(thing.id);
  const auto newest = static_cast<std::int64_t>(thing.newest_seq);
  return state->BindBlob(5, ranges).Bind(6, OutboxSum(id, newest, thing.newest_ms, ranges)).Run();
}

Status Journal::CloseBlock() {
  if (block_.empty()) return {};
  if (const Status done = StoreBlock(block_); !done) return done;
  for (const auto& [name, thing] : things_) {
    if (const Status done = StoreThing(thing); !done) return done;
  }
  if (const Status done = database_.SetMeta(kReadings, static_cast<std::int64_t>(readings_)); !done) return done;
  if (const Status done = database_.SetMeta(kNewestTrusted, newest_trusted_ms_); !done) return done;
  if (const Status done = database_.SetMeta(kAge, age_ms_); !done) return done;
  if (const Status done = database_.SetMeta(kSnapshotRow, block_.last_row); !done) return done;
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
    const IntervalSet there = thing->unsent.Within(part.first_seq, part.last_seq);
    if (there.empty()) continue;
    const bool thinned = block.layout == BlockLayout::kThinned;
    const std::uint64_t lost = thinned ? std::min(there.count(), part.count) : there.count();
    thing->unsent.Remove(part.first_seq, part.last_seq);
    if (thinned) thing->holes -= std::min(thing->holes, there.count() - lost);
    unsent += lost;
    if (const Status stored = StoreThing(*thing); !stored) return Fail(stored.error());
    const Gap gap{.thing = thing->name,
                  .reason = std::string(kGapNoSpace),
                  .from_seq = there.map().begin()->first,
                  .to_seq = there.map().rbegin()->second,
                  .from_ms = block.oldest_ms,
                  .to_ms = block.newest_ms,
                  .lost = lost};
    if (const Status noted = NoteGap(database_, gap); !noted) return Fail(noted.error());
  }
  readings_ -= std::min(readings_, block.readings);
  if (const Status done = StoreReadings(); !done) return Fail(done.error());
  return unsent;
}

// As of the snapshot, that is without the newest block, which is replayed.
Status Journal::StoreReadings() {
  return database_.SetMeta(kReadings, static_cast<std::int64_t>(readings_ - std::min(readings_, block_.readings)));
}

}  // namespace penumbra
