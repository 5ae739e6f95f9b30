#include "store/salvage.hpp"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "base/log.hpp"
#include "store/gap.hpp"
#include "store/ranges.hpp"
#include "store/row_sum.hpp"

namespace penumbra {
namespace {

using Kind = Dictionary::Kind;

// A new file's rows begin at its generation times this: behind those of every file before it.
constexpr int kRowBits = 32;

Status CopySettings(Database& from, Database& to) {
  auto rows = from.Prepare("SELECT key, value, sum FROM setting");
  if (!rows) return {};
  for (;;) {
    const Result<bool> more = rows->Step();
    if (!more || !*more) return {};  // what came before the damage is good
    const std::int64_t sum = PairSum(rows->Bytes(0), rows->Bytes(1));
    if (!rows->HasSum(2, sum)) continue;
    auto insert = to.Prepare("INSERT OR IGNORE INTO setting(key, value, sum) VALUES(?, ?, ?)");
    if (!insert) return Fail(insert.error());
    if (const Status done = insert->Bind(1, rows->Bytes(0)).Bind(2, rows->Bytes(1)).Bind(3, sum).Run(); !done)
      return done;
  }
}

Status CopyTimes(Database& from, Database& to) {
  auto rows = from.Prepare("SELECT boot, from_ns, offset_ms, true_offset_ms, trusted FROM boot_time");
  if (!rows) return {};
  for (;;) {
    const Result<bool> more = rows->Step();
    if (!more || !*more) return {};
    auto insert =
        to.Prepare("INSERT INTO boot_time(boot, from_ns, offset_ms, true_offset_ms, trusted) VALUES(?, ?, ?, ?, ?)");
    if (!insert) return Fail(insert.error());
    insert->Bind(1, rows->Bytes(0)).Bind(2, rows->Int(1)).Bind(3, rows->Int(2)).Bind(4, rows->Int(3));
    if (const Status done = insert->Bind(5, rows->Int(4)).Run(); !done) return done;
  }
}

std::int64_t OutboxSum(const Statement& row) {
  return RowSum().Add(row.Int(0)).Add(row.Int(1)).Add(row.Int(2)).Add(row.Bytes(3)).value();
}

}  // namespace

Status Salvage::Begin(Database& database, const SeqMark& mark, const std::filesystem::path& file,
                      const std::string& vfs) {
  const auto rows = database.Integer("SELECT (SELECT count(*) FROM journal) + (SELECT count(*) FROM salvage)");
  if (!rows) return Fail(rows.error());
  if (*rows > 0) return {};
  auto damaged = Database::Open({.file = file, .vfs = vfs}, nullptr);
  if (!damaged) {
    log::Error("store.salvage_failed", "the damaged file cannot be opened; it stays as it is",
               {{"file", file.string()}, {"reason", damaged.error().message}});
    return {};
  }
  (*damaged)->KeepWal();
  const auto below = static_cast<std::int64_t>(mark.generation() + 1) << kRowBits;
  if (const Status begun = database.Begin(); !begun) return begun;
  if (const Status done = CopySettings(**damaged, database); !done) return done;
  if (const Status done = CopyTimes(**damaged, database); !done) return done;
  if (const Status done = database.SetMeta("snapshot_row", below); !done) return done;
  auto entry = database.Prepare("INSERT INTO salvage(file, after_row, below_row, below_seq) VALUES(?, 0, ?, ?)");
  if (!entry) return Fail(entry.error());
  entry->Bind(1, std::string_view(file.native())).Bind(2, below).Bind(3, mark.mark());
  if (const Status done = entry->Run(); !done) return done;
  return database.Commit();
}

Result<std::unique_ptr<Salvage>> Salvage::Resume(Database& database, const std::string& vfs) {
  auto row = database.Prepare("SELECT file, after_row, below_row, below_seq FROM salvage LIMIT 1");
  if (!row) return Fail(row.error());
  const Result<bool> found = row->Step();
  if (!found) return Fail(found.error());
  if (!*found) return nullptr;
  std::unique_ptr<Salvage> salvage(
      new Salvage(std::string(row->Bytes(0)), row->Int(1), row->Int(2), static_cast<std::uint64_t>(row->Int(3))));
  salvage->Open(vfs);
  return salvage;
}

void Salvage::Open(const std::string& vfs) {
  auto opened = Database::Open({.file = file_, .vfs = vfs}, nullptr);
  if (!opened) {
    log::Error("store.salvage_failed", "the damaged file cannot be opened; it stays as it is",
               {{"file", file_.string()}, {"reason", opened.error().message}});
    return;
  }
  damaged_ = std::move(*opened);
  damaged_->KeepWal();
  LoadWords();
  LoadDelivery();
}

void Salvage::LoadWords() {
  constexpr std::array kTables = {std::pair(Kind::kThing, "SELECT id, name, sum FROM thing"),
                                  std::pair(Kind::kWord, "SELECT id, text, sum FROM word"),
                                  std::pair(Kind::kPointSet, "SELECT id, points, sum FROM point_set")};
  for (const auto& [kind, sql] : kTables) {
    auto rows = damaged_->Prepare(sql);
    if (!rows) continue;
    for (;;) {
      const Result<bool> row = rows->Step();
      if (!row || !*row) break;  // what came before the damage is good
      const auto id = static_cast<std::uint64_t>(rows->Int(0));
      if (rows->HasSum(2, NameSum(id, rows->Bytes(1)))) words_.Load(kind, id, std::string(rows->Bytes(1)));
    }
  }
}

void Salvage::LoadDelivery() {
  const auto row = damaged_->Meta("snapshot_row");
  auto states = damaged_->Prepare("SELECT thing, last_seq, last_ms, ranges, sum FROM outbox");
  if (!row || !*row || !states) return;
  std::map<std::string, IntervalSet> unsent;
  for (;;) {
    const Result<bool> more = states->Step();
    if (!more) return;
    if (!*more) break;
    const std::string* name = words_.Find(Kind::kThing, static_cast<std::uint64_t>(states->Int(0)));
    if (name == nullptr || !states->HasSum(4, OutboxSum(*states)) || !DecodeRanges(states->Bytes(3), unsent[*name]))
      return;
    newest_[*name] = static_cast<std::uint64_t>(states->Int(1));
  }
  snapshot_row_ = **row;
  unsent_ = std::move(unsent);
}

// The next row in order, or, where the way there is damaged, the next one that is still reached by its number.
bool Salvage::NextRow(std::string& blob) {
  if (!probing_) {
    auto row = damaged_->Prepare("SELECT id, data FROM journal WHERE id > ? ORDER BY id LIMIT 1");
    if (!row) return false;
    const Result<bool> found = row->Bind(1, after_).Step();
    if (found && !*found) return false;
    if (found && row->Int(0) > after_) {
      after_ = row->Int(0);
      blob = row->Bytes(1);
      return true;
    }
    probing_ = true;
    missed_ = 0;
  }
  return Probe(blob);
}

bool Salvage::Probe(std::string& blob) {
  while (after_ + 1 < below_ && probes_left_-- > 0) {
    if (missed_++ > Block::kMaxRows && !JumpToNextRun()) {
      after_ = below_;
      return false;
    }
    auto row = damaged_->Prepare("SELECT data FROM journal WHERE id = ?");
    if (!row) return false;
    const Result<bool> found = row->Bind(1, ++after_).Step();
    if (!found) ++lost_rows_;
    if (!found || !*found) continue;
    blob = row->Bytes(0);
    probing_ = false;  // beyond the damage
    return true;
  }
  return false;
}

// A whole block is missing: on to where the next one begins, or the rows that are in none yet.
bool Salvage::JumpToNextRun() {
  missed_ = 0;
  auto block = damaged_->Prepare("SELECT first_row FROM block WHERE first_row > ? ORDER BY first_row LIMIT 1");
  if (!block) return false;
  const Result<bool> found = block->Bind(1, after_ + 1).Step();
  const std::int64_t next = found && *found ? block->Int(0) : snapshot_row_ + 1;
  if (next <= after_ + 1) return false;
  after_ = next - 1;
  return true;
}

// Whether it was sent is in table outbox up to the snapshot, and behind it in the acks that follow.
void Salvage::TakeUnsent(const std::string& name, const RowSection& section, IntervalSet& unsent) {
  if (!unsent_) return unsent.Add(section.first_seq, section.last_seq());
  IntervalSet& expected = (*unsent_)[name];
  if (after_ <= snapshot_row_) {
    unsent = expected.Within(section.first_seq, section.last_seq());
    expected.Remove(section.first_seq, section.last_seq());
    return;
  }
  unsent.Add(section.first_seq, section.last_seq());
  std::uint64_t& newest = newest_[name];
  if (newest > 0 && section.first_seq > newest + 1) expected.Add(newest + 1, section.first_seq - 1);
  newest = std::max(newest, section.last_seq());
}

Result<Journal::AdoptedRow> Salvage::Decode(const std::string& blob, AckMap& acks) {
  const Result<RowHeader> header = DecodeHeader(blob);
  if (!header) return Fail(header.error());
  for (const AckRange& ack : header->acks) {
    const std::string* name = words_.Find(Kind::kThing, ack.thing);
    if (name == nullptr || ack.last >= seq_below_) continue;
    acks[*name].Add(ack.first, ack.last);
    if (unsent_) (*unsent_)[*name].Remove(ack.first, ack.last);
  }
  Journal::AdoptedRow row;
  row.id = after_;
  for (const RowSection& section : header->sections) {
    const std::string* name = words_.Find(Kind::kThing, section.thing);
    if (name == nullptr || section.last_seq() >= seq_below_ ||
        !DecodeSection(blob, *header, section, words_, row.readings)) {
      ++lost_rows_;
      continue;
    }
    TakeUnsent(*name, section, row.unsent[*name]);
  }
  return row;
}

Result<Salvage::Outcome> Salvage::Step(Database& database, Journal& journal) {
  Outcome outcome;
  std::vector<Journal::AdoptedRow> rows;
  AckMap acks;
  probes_left_ = kProbesPerStep;
  std::string blob;
  bool any = false;
  while (damaged_ != nullptr && rows.size() < kRowsPerStep && NextRow(blob) && after_ < below_) {
    any = true;
    auto row = Decode(blob, acks);
    if (!row) {
      ++lost_rows_;
    } else if (!row->readings.empty()) {
      rows.push_back(std::move(*row));
    }
  }
  outcome.finished = !any && !(probing_ && probes_left_ < 0);
  if (const Status begun = database.Begin(); !begun) return Fail(begun.error());
  if (const Status adopted = journal.Adopt(rows, acks); !adopted) return Fail(adopted.error());
  for (const Journal::AdoptedRow& row : rows) {
    outcome.readings += row.readings.size();
    for (const auto& [name, unsent] : row.unsent) {
      for (const auto& [first, last] : unsent.map()) outcome.back[name].Add(first, last);
    }
  }
  for (const auto& [name, set] : acks) {
    for (const auto& [first, last] : set.map()) outcome.back[name].Remove(first, last);
  }
  outcome.acked = std::move(acks);
  readings_ += outcome.readings;
  if (const Status kept = Remember(database, outcome.finished); !kept) return Fail(kept.error());
  if (const Status done = database.Commit(); !done) return Fail(done.error());
  return outcome;
}

Status Salvage::Remember(Database& database, bool finished) {
  if (!finished) {
    auto position = database.Prepare("UPDATE salvage SET after_row = ? WHERE file = ?");
    if (!position) return Fail(position.error());
    return position->Bind(1, after_).Bind(2, std::string_view(file_.native())).Run();
  }
  if (const Status noted = NoteGaps(database); !noted) return noted;
  if (damaged_ != nullptr) {
    log::Notice("store.salvaged", "what could be read of a damaged file is back",
                {{"file", file_.string()}, {"readings", readings_}, {"unreadable", lost_rows_}});
  }
  auto forget = database.Prepare("DELETE FROM salvage WHERE file = ?");
  if (!forget) return Fail(forget.error());
  return forget->Bind(1, std::string_view(file_.native())).Run();
}

// What the file knew to be unsent and no row brought back, and the gaps that it had not told the cloud of yet.
Status Salvage::NoteGaps(Database& database) {
  if (damaged_ == nullptr) return {};
  if (const auto gaps = ReadGaps(*damaged_)) {
    for (const Gap& gap : *gaps) {
      if (const Status noted = NoteGap(database, gap); !noted) return noted;
    }
  }
  if (!unsent_) return {};
  for (const auto& [name, set] : *unsent_) {
    if (set.empty()) continue;
    Gap gap{.thing = name,
            .reason = std::string(kGapDamaged),
            .from_seq = set.map().begin()->first,
            .to_seq = set.map().rbegin()->second,
            .lost = set.count()};
    std::tie(gap.from_ms, gap.to_ms) = TimesOf(name, gap.from_seq, gap.to_seq);
    if (const Status noted = NoteGap(database, gap); !noted) return noted;
  }
  return {};
}

// As far as the directory of blocks can be read; zeros: not known.
std::pair<std::int64_t, std::int64_t> Salvage::TimesOf(const std::string& name, std::uint64_t first,
                                                       std::uint64_t last) {
  Gap times;
  const auto id = words_.IdOf(Kind::kThing, name);
  auto blocks = damaged_->Prepare("SELECT oldest_ms, newest_ms, things FROM block");
  if (!id || !blocks) return {};
  for (;;) {
    const Result<bool> more = blocks->Step();
    if (!more || !*more) return {times.from_ms, times.to_ms};
    const auto things = DecodeBlockThings(blocks->Bytes(2));
    if (!things) continue;
    const auto part =
        std::find_if(things->begin(), things->end(), [&id](const BlockThing& t) { return t.thing == *id; });
    if (part == things->end() || part->last_seq < first || part->first_seq > last) continue;
    times.Add(first, blocks->Int(0));
    times.Add(last, blocks->Int(1));
  }
}

}  // namespace penumbra
