#include "store/salvage.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/log.hpp"
#include "store/dictionary_copy.hpp"
#include "store/gap.hpp"
#include "store/ranges.hpp"
#include "store/row_sum.hpp"

namespace penumbra {
namespace {

using Kind = Dictionary::Kind;
using Row = std::vector<btree::Value>;

// A new file's rows begin at its generation times this: behind those of every file before it.
constexpr int kRowBits = 32;
constexpr std::size_t kMaxStretches = 200'000;       // of 32 bytes
constexpr auto kPatience = std::chrono::seconds(2);  // at a start, for settings that SQLite does not find any more,
constexpr auto kLongPatience = std::chrono::seconds(20);  // and for seqs, when the sequence mark is lost as well

// Columns that an older row does not have are nothing.
std::int64_t Int(const Row& row, std::size_t column) {
  return column < row.size() ? row[column].integer : 0;
}
std::uint64_t Seq(const Row& row, std::size_t column) {
  return static_cast<std::uint64_t>(Int(row, column));
}
std::string_view Bytes(const Row& row, std::size_t column) {
  return column < row.size() ? row[column].bytes : std::string_view();
}
// As Statement::HasSum.
bool HasSum(const Row& row, std::size_t column, std::int64_t sum) {
  return column >= row.size() || row[column].type == btree::Value::Type::kNull || row[column].integer == sum;
}

// Of table outbox, with the checksum that it should have.
bool IsOutboxRow(std::int64_t thing, const Row& row) {
  if (row.size() < 5) return false;
  return HasSum(row, 5, RowSum().Add(thing).Add(Int(row, 1)).Add(Int(row, 2)).Add(Bytes(row, 4)).value());
}

// What a daemon needs at once of the file before.
struct Kept {
  std::map<std::string, std::string> settings;
  struct Era {
    std::string boot;
    std::int64_t numbers[4];  // from_ns, offset_ms, true_offset_ms, trusted
  };
  std::vector<Era> times;
  // What the file was itself bringing back, by the name of the older one.
  struct Pending {
    std::int64_t after, below, below_seq;
  };
  std::map<std::string, Pending> pending;

  void TakeRow(std::string_view table, const Row& row) {
    if (table == "setting" && row.size() == 3 && HasSum(row, 2, PairSum(Bytes(row, 0), Bytes(row, 1)))) {
      settings.emplace(Bytes(row, 0), Bytes(row, 1));
    }
    if (table == "boot_time" && row.size() == 5) {
      times.push_back({std::string(Bytes(row, 0)), {Int(row, 1), Int(row, 2), Int(row, 3), Int(row, 4)}});
    }
    if (table == "salvage" && row.size() == 4) {
      pending.emplace(Bytes(row, 0), Pending{Int(row, 1), Int(row, 2), Int(row, 3)});
    }
  }
};

// false: not all of them.
bool TakeThroughSqlite(const std::filesystem::path& file, const std::string& vfs, Files& files, Kept& kept) {
  if (files.Size(file) == 0) return false;  // SQLite would remove its WAL
  auto damaged = Database::Open({.file = file, .vfs = vfs}, nullptr);
  if (!damaged) return false;
  (*damaged)->KeepWal();
  auto settings = (*damaged)->Prepare("SELECT key, value, sum FROM setting");
  auto times = (*damaged)->Prepare("SELECT boot, from_ns, offset_ms, true_offset_ms, trusted FROM boot_time");
  auto pending = (*damaged)->Prepare("SELECT file, after_row, below_row, below_seq FROM salvage");
  if (!settings || !times || !pending) return false;
  for (;;) {
    const Result<bool> row = settings->Step();
    if (!row) return false;
    if (!*row) break;
    if (!settings->HasSum(2, PairSum(settings->Bytes(0), settings->Bytes(1)))) continue;
    kept.settings.emplace(settings->Bytes(0), settings->Bytes(1));
  }
  for (;;) {
    const Result<bool> row = pending->Step();
    if (!row) return false;
    if (!*row) break;
    kept.pending.emplace(pending->Bytes(0), Kept::Pending{pending->Int(1), pending->Int(2), pending->Int(3)});
  }
  for (;;) {
    const Result<bool> row = times->Step();
    if (!row) return false;
    if (!*row) return true;
    kept.times.push_back({std::string(times->Bytes(0)), {times->Int(1), times->Int(2), times->Int(3), times->Int(4)}});
  }
}

Kept TakeKept(const std::filesystem::path& file, const std::string& vfs, Files& files, const PageScan::Roots& roots) {
  Kept kept;
  if (TakeThroughSqlite(file, vfs, files, kept)) return kept;
  kept.times.clear();  // they have no key: twice would be too much
  const auto take = [&kept](std::string_view table, std::int64_t, const Row& row) { kept.TakeRow(table, row); };
  PageScan scan(files, file, roots);
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!scan.Step(Salvage::kPagesPerStep, take) && std::chrono::steady_clock::now() < until) {
  }
  return kept;
}

Status PutPending(Database& to, std::string_view file, const Kept::Pending& pending) {
  auto entry = to.Prepare("INSERT OR IGNORE INTO salvage(file, after_row, below_row, below_seq) VALUES(?, ?, ?, ?)");
  if (!entry) return Fail(entry.error());
  return entry->Bind(1, file).Bind(2, pending.after).Bind(3, pending.below).Bind(4, pending.below_seq).Run();
}

Status Put(Database& to, const Kept& kept) {
  for (const auto& [key, value] : kept.settings) {
    auto insert = to.Prepare("INSERT OR IGNORE INTO setting(key, value, sum) VALUES(?, ?, ?)");
    if (!insert) return Fail(insert.error());
    insert->Bind(1, std::string_view(key)).Bind(2, std::string_view(value)).Bind(3, PairSum(key, value));
    if (const Status done = insert->Run(); !done) return done;
  }
  for (const auto& [file, pending] : kept.pending) {
    if (const Status done = PutPending(to, file, pending); !done) return done;
  }
  for (const Kept::Era& era : kept.times) {
    auto insert =
        to.Prepare("INSERT INTO boot_time(boot, from_ns, offset_ms, true_offset_ms, trusted) VALUES(?, ?, ?, ?, ?)");
    if (!insert) return Fail(insert.error());
    insert->Bind(1, std::string_view(era.boot)).Bind(2, era.numbers[0]).Bind(3, era.numbers[1]);
    if (const Status done = insert->Bind(4, era.numbers[2]).Bind(5, era.numbers[3]).Run(); !done) return done;
  }
  return {};
}

// Looks for the largest seq and row of a file, for as long as a start may take: nothing may get them again.
Status RegainMark(SeqMark& mark, const std::filesystem::path& file, Files& files, const PageScan::Roots& roots) {
  std::uint64_t seq = 0;
  std::int64_t row = 0;
  // A seq that damage made large would use all of them up.
  const auto take = [&](std::string_view table, std::int64_t thing, const Row& values) {
    if (table == "outbox" && IsOutboxRow(thing, values))
      seq = std::max(seq, std::min(Seq(values, 1), SeqMark::kMaxSeq));
  };
  PageScan scan(files, file, roots);
  const auto until = std::chrono::steady_clock::now() + kLongPatience;
  bool all = false;
  while (!all && std::chrono::steady_clock::now() < until) all = scan.Step(Salvage::kPagesPerStep, take);
  while (all && std::chrono::steady_clock::now() < until) {
    const auto next = scan.NextRow(row);
    if (!next) break;
    row = next->id;
    const auto header = DecodeHeader(next->blob);
    if (!header) continue;
    for (const RowSection& section : header->sections) seq = std::max(seq, section.last_seq());
  }
  return seq == 0 ? Status() : mark.Regain(seq, static_cast<std::uint64_t>(row >> kRowBits));
}

}  // namespace

Status Salvage::Begin(Database& database, SeqMark& mark, const std::filesystem::path& file, const std::string& vfs,
                      Files& files) {
  const auto rows = database.Integer("SELECT (SELECT count(*) FROM journal) + (SELECT count(*) FROM salvage)");
  if (!rows) return Fail(rows.error());
  if (*rows > 0) return {};
  const auto roots = PageScan::RootsOf(database);
  if (!roots) return Fail(roots.error());
  const Kept kept = TakeKept(file, vfs, files, *roots);
  if (mark.mark() == 0) {
    if (const Status regained = RegainMark(mark, file, files, *roots); !regained) return regained;
  }
  const auto below = static_cast<std::int64_t>(mark.generation() + 1) << kRowBits;
  if (const Status begun = database.Begin(); !begun) return begun;
  if (const Status done = Put(database, kept); !done) return done;
  if (const Status done = database.SetMeta("snapshot_row", below); !done) return done;
  const Kept::Pending all{0, below, static_cast<std::int64_t>(mark.mark())};
  if (const Status done = PutPending(database, file.native(), all); !done) return done;
  return database.Commit();
}

Result<std::unique_ptr<Salvage>> Salvage::Resume(Database& database, Files& files) {
  auto row = database.Prepare("SELECT file, after_row, below_row, below_seq FROM salvage ORDER BY below_row LIMIT 1");
  if (!row) return Fail(row.error());
  const Result<bool> found = row->Step();
  if (!found) return Fail(found.error());
  if (!*found) return nullptr;
  Position position{std::string(row->Bytes(0)), row->Int(1), row->Int(2), static_cast<std::uint64_t>(row->Int(3))};
  auto roots = PageScan::RootsOf(database);
  if (!roots) return Fail(roots.error());
  return std::unique_ptr<Salvage>(new Salvage(std::move(position), files, std::move(*roots)));
}

Result<std::set<std::string>> Salvage::Pending(Database& database) {
  auto rows = database.Prepare("SELECT file FROM salvage");
  if (!rows) return Fail(rows.error());
  std::set<std::string> files;
  for (;;) {
    const Result<bool> row = rows->Step();
    if (!row) return Fail(row.error());
    if (!*row) return files;
    files.emplace(rows->Bytes(0));
  }
}

void Salvage::TakeRow(std::string_view table, std::int64_t rowid, const Row& row) {
  const auto number = static_cast<std::uint64_t>(rowid);
  const auto word = [&](Kind kind) {
    if (row.size() < 2 || row[1].type != btree::Value::Type::kText || !HasSum(row, 2, NameSum(number, Bytes(row, 1))))
      return;
    words_.Load(kind, number, std::string(Bytes(row, 1)));
  };
  if (table == "thing") return word(Kind::kThing);
  if (table == "word") return word(Kind::kWord);
  if (table == "point_set") return word(Kind::kPointSet);
  if (table == "outbox" && IsOutboxRow(rowid, row)) {
    IntervalSet unsent;
    if (!DecodeRanges(Bytes(row, 4), unsent)) return;
    outbox_[number] = std::move(unsent);
    newest_in_outbox_[number] = Seq(row, 1);
  } else if (table == "meta" && row.size() >= 2 && Bytes(row, 0) == "snapshot_row") {
    if (HasSum(row, 2, PairSum(Bytes(row, 0), Int(row, 1)))) snapshot_row_ = Int(row, 1);
  } else if (table == "gap" && row.size() == 7) {
    gaps_.emplace_back(Seq(row, 0), Gap{.thing = {},
                                        .reason = std::string(Bytes(row, 1)),
                                        .from_seq = Seq(row, 2),
                                        .to_seq = Seq(row, 3),
                                        .from_ms = Int(row, 4),
                                        .to_ms = Int(row, 5),
                                        .lost = Seq(row, 6)});
  } else if (table == "block" && row.size() >= 8) {
    const auto things = DecodeBlockThings(Bytes(row, 7));
    if (!things) return;
    for (const BlockThing& thing : *things) {
      if (stretch_count_ == kMaxStretches) return;
      ++stretch_count_;
      stretches_[thing.thing].push_back({thing.first_seq, thing.last_seq, Int(row, 2), Int(row, 3)});
    }
  }
}

// Names are known only now.
void Salvage::EndScan() {
  scanned_ = true;
  DictionaryCopy::LoadInto(words_, DictionaryCopy::Beside(at_.file), files_);
  if (scan_.pages() == 0) {
    log::Error("store.salvage_failed", "the damaged file is not there any more", {{"file", at_.file.string()}});
  }
  if (!snapshot_row_) return;
  for (auto& [thing, unsent] : outbox_) {
    const std::string* name = words_.Find(Kind::kThing, thing);
    if (name == nullptr) continue;
    unsent_[*name] = std::move(unsent);
    newest_[*name] = newest_in_outbox_[thing];
  }
  outbox_.clear();
}

// Whether it was sent is in table outbox up to the snapshot, and behind it in the acks that follow.
void Salvage::TakeUnsent(const std::string& name, const RowSection& section, IntervalSet& unsent) {
  const auto known = unsent_.find(name);
  if (known == unsent_.end()) return unsent.Add(section.first_seq, section.last_seq());
  IntervalSet& expected = known->second;
  if (row_ <= *snapshot_row_) {
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
    if (name == nullptr || ack.last >= at_.seq_below) continue;
    acks[*name].Add(ack.first, ack.last);
    if (const auto known = unsent_.find(*name); known != unsent_.end()) known->second.Remove(ack.first, ack.last);
  }
  Journal::AdoptedRow row;
  row.id = row_;
  for (const RowSection& section : header->sections) {
    const std::string* name = words_.Find(Kind::kThing, section.thing);
    if (name == nullptr || section.last_seq() >= at_.seq_below) {
      ++lost_rows_;
      continue;
    }
    const std::size_t before = row.readings.size();
    if (!DecodeSection(blob, *header, section, words_, row.readings)) {
      row.readings.resize(before);
      ++lost_rows_;
      continue;
    }
    IntervalSet& back = back_[*name];
    const auto fresh = row.readings.begin() + static_cast<std::ptrdiff_t>(before);
    const auto twice = [&back](const Reading& reading) { return back.Contains(reading.seq); };
    row.readings.erase(std::remove_if(fresh, row.readings.end(), twice), row.readings.end());
    if (row.readings.size() == before) continue;
    back.Add(section.first_seq, section.last_seq());
    TakeUnsent(*name, section, row.unsent[*name]);
  }
  return row;
}

Result<bool> Salvage::IsThere(Database& database, std::int64_t row) {
  auto found = database.Prepare("SELECT 1 FROM journal WHERE id = ?");
  if (!found) return Fail(found.error());
  return found->Bind(1, row).Step();
}

Result<Salvage::Outcome> Salvage::Step(Database& database, Journal& journal) {
  Outcome outcome;
  if (!scanned_) {
    const auto take = [this](std::string_view table, std::int64_t rowid, const Row& row) {
      TakeRow(table, rowid, row);
    };
    if (scan_.Step(kPagesPerStep, take)) EndScan();
    return outcome;
  }
  std::vector<Journal::AdoptedRow> rows;
  AckMap acks;
  for (int effort = 0; effort < kEffortPerStep && !outcome.finished;) {
    const auto next = scan_.NextRow(row_);
    outcome.finished = !next || next->id >= at_.below;
    if (outcome.finished) break;
    // They become one block, which is read from its first row to its last: one must not reach from the rows of a file
    // that was salvaged into this one to its own, four billion further on.
    if (!rows.empty() && next->id - rows.front().id >= Block::kMaxRows) break;
    bool there = false;
    if (next->id > at_.after) {
      const Result<bool> known = IsThere(database, next->id);
      if (!known) return Fail(known.error());
      there = *known;
    }
    if (there && !rows.empty()) break;  // nor over one of an older file
    row_ = next->id;
    effort += row_ > at_.after ? kEffortOfNew : 1;
    auto row = Decode(next->blob, acks);
    if (!row) {
      ++lost_rows_;
    } else if (row_ > at_.after && !there && !row->readings.empty()) {
      rows.push_back(std::move(*row));
    }
  }
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
  if (const Status kept = Remember(database, journal, outcome.finished); !kept) return Fail(kept.error());
  if (const Status done = database.Commit(); !done) return Fail(done.error());
  return outcome;
}

Status Salvage::Remember(Database& database, Journal& journal, bool finished) {
  if (!finished) {
    auto position = database.Prepare("UPDATE salvage SET after_row = ? WHERE file = ?");
    if (!position) return Fail(position.error());
    return position->Bind(1, std::max(row_, at_.after)).Bind(2, std::string_view(at_.file.native())).Run();
  }
  if (const Status noted = NoteGaps(database, journal); !noted) return noted;
  log::Notice("store.salvaged", "what could be read of a damaged file is back",
              {{"file", at_.file.string()},
               {"readings", readings_},
               {"unreadable", lost_rows_},
               {"unreadable_pages", scan_.unreadable_pages()}});
  auto forget = database.Prepare("DELETE FROM salvage WHERE file = ?");
  if (!forget) return Fail(forget.error());
  return forget->Bind(1, std::string_view(at_.file.native())).Run();
}

// What the file knew to be unsent and no row brought back, and the gaps that it had not told the cloud of yet.
Status Salvage::NoteGaps(Database& database, Journal& journal) {
  std::vector<Gap> gaps;
  for (auto& [thing, gap] : gaps_) {
    const std::string* name = words_.Find(Kind::kThing, thing);
    if (name == nullptr) continue;
    gap.thing = *name;
    gaps.push_back(std::move(gap));
  }
  gaps_.clear();
  for (const auto& [name, set] : unsent_) {
    if (set.empty()) continue;
    Gap gap{.thing = name,
            .reason = std::string(kGapDamaged),
            .from_seq = set.map().begin()->first,
            .to_seq = set.map().rbegin()->second,
            .lost = set.count()};
    std::tie(gap.from_ms, gap.to_ms) = TimesOf(name, gap.from_seq, gap.to_seq);
    gaps.push_back(std::move(gap));
  }
  for (const Gap& gap : gaps) {
    if (const Status named = journal.Name(gap.thing); !named) return named;
    if (const Status noted = NoteGap(database, gap); !noted) return noted;
  }
  return {};
}

// As far as the directory of blocks could be read; zeros: not known.
std::pair<std::int64_t, std::int64_t> Salvage::TimesOf(const std::string& name, std::uint64_t first,
                                                       std::uint64_t last) {
  Gap times;
  const auto id = words_.IdOf(Kind::kThing, name);
  if (!id) return {};
  for (const Stretch& stretch : stretches_[*id]) {
    if (stretch.last_seq < first || stretch.first_seq > last) continue;
    times.Add(first, stretch.oldest_ms);
    times.Add(last, stretch.newest_ms);
  }
  return {times.from_ms, times.to_ms};
}

}  // namespace penumbra
