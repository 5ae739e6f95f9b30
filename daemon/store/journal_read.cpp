// The reading half of Journal: finding rows by way of the blocks.
#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "store/journal.hpp"

namespace penumbra {
namespace {

bool Passed(Journal::Deadline deadline) {
  return std::chrono::steady_clock::now() >= deadline;
}

Result<Block> BlockFrom(Statement& row) {
  Block block;
  block.first_row = row.Int(0);
  block.last_row = row.Int(1);
  block.oldest_ms = row.Int(2);
  block.newest_ms = row.Int(3);
  block.trusted = row.Int(4) != 0;
  block.readings = static_cast<std::uint64_t>(row.Int(5));
  block.bytes = static_cast<std::uint64_t>(row.Int(6));
  auto things = DecodeBlockThings(row.Bytes(7));
  if (!things) return Fail(things.error());
  block.things = std::move(*things);
  block.layout = static_cast<BlockLayout>(std::clamp<std::int64_t>(row.Int(8), 0, 2));
  if (!row.HasSum(9, BlockSum(block, row.Bytes(7)))) return Fail(Action::kGiveUp, "damaged block directory");
  return block;
}

constexpr std::string_view kForwards =
    "SELECT first_row, last_row, oldest_ms, newest_ms, trusted, readings, bytes, things, layout, sum FROM block "
    "WHERE first_row >= ? ORDER BY first_row LIMIT 1";
constexpr std::string_view kBackwards =
    "SELECT first_row, last_row, oldest_ms, newest_ms, trusted, readings, bytes, things, layout, sum FROM block "
    "WHERE first_row <= ? ORDER BY first_row DESC LIMIT 1";

constexpr std::string_view kUnthinned =
    "SELECT first_row, last_row, oldest_ms, newest_ms, trusted, readings, bytes, things, layout, sum FROM block "
    "WHERE first_row >= ? AND layout <> 2 ORDER BY first_row LIMIT 1";
constexpr std::string_view kByCommit =
    "SELECT first_row, last_row, oldest_ms, newest_ms, trusted, readings, bytes, things, layout, sum FROM block "
    "WHERE first_row >= ? AND layout = 0 ORDER BY first_row LIMIT 1";

Result<std::optional<Block>> OneBlock(Database& database, std::string_view sql, std::int64_t row) {
  auto statement = database.Prepare(sql);
  if (!statement) return Fail(statement.error());
  const Result<bool> found = statement->Bind(1, row).Step();
  if (!found) return Fail(found.error());
  if (!*found) return std::nullopt;
  Result<Block> block = BlockFrom(*statement);
  if (!block) return Fail(database.Damaged(block.error().message));
  return std::optional(std::move(*block));
}

}  // namespace

Result<std::optional<Block>> Journal::StoredBlockFrom(std::int64_t row) {
  return OneBlock(database_, kForwards, row);
}

Result<std::optional<Block>> Journal::ThinCandidate() {
  auto block = OneBlock(database_, kUnthinned, 0);
  if (!block || !*block) return block;
  auto sizes = database_.Prepare("SELECT sum(bytes), sum(iif(first_row > ?, bytes, 0)) FROM block");
  if (!sizes) return Fail(sizes.error());
  const Result<bool> row = sizes->Bind(1, (*block)->first_row).Step();
  if (!row) return Fail(row.error());
  if (2 * sizes->Int(1) < sizes->Int(0)) return std::nullopt;
  return block;
}

Result<std::optional<Block>> Journal::BlockByCommitFrom(std::int64_t row) {
  return OneBlock(database_, kByCommit, row);
}

// The block that holds `row`, or the nearest one behind it (before it, when going backwards).
Result<std::optional<Block>> Journal::BlockFor(std::int64_t row, bool backwards) {
  if (row > block_.last_row && !backwards) return std::nullopt;
  if (row >= block_.first_row && !block_.empty()) return std::optional(block_);
  auto before = OneBlock(database_, kBackwards, row);
  if (!before || backwards) return before;
  if (*before && (*before)->last_row >= row) return before;
  auto behind = OneBlock(database_, kForwards, row);
  if (!behind || *behind || block_.empty()) return behind;
  return std::optional(block_);
}

Result<std::shared_ptr<const Journal::Row>> Journal::LoadRow(std::int64_t id) {
  if (const auto it = cached_.find(id); it != cached_.end()) {
    cache_.splice(cache_.begin(), cache_, it->second);
    return it->second->row;
  }
  auto statement = database_.Prepare("SELECT data FROM journal WHERE id = ?");
  if (!statement) return Fail(statement.error());
  const Result<bool> found = statement->Bind(1, id).Step();
  if (!found) return Fail(found.error());
  if (!*found) return nullptr;
  auto row = std::make_shared<Row>();
  row->blob = statement->Bytes(0);
  Result<RowHeader> header = DecodeHeader(row->blob);
  if (!header) {
    log::Error("store.damaged_row", "a journal row is damaged; its readings are lost", {{"row", id}});
    return nullptr;
  }
  row->header = std::move(*header);
  cache_.push_front({id, row});
  cached_[id] = cache_.begin();
  cached_bytes_ += row->blob.size();
  while (cached_bytes_ > kCachedRowBytes && cache_.size() > 1) {
    cached_bytes_ -= cache_.back().row->blob.size();
    cached_.erase(cache_.back().id);
    cache_.pop_back();
  }
  return row;
}

void Journal::ForgetRows(const Block& block) {
  for (std::int64_t id = block.first_row; id <= block.last_row; ++id) {
    const auto it = cached_.find(id);
    if (it == cached_.end()) continue;
    cached_bytes_ -= it->second->row->blob.size();
    cache_.erase(it->second);
    cached_.erase(it);
  }
}

Status Journal::CollectUnsent(const ThingState& thing, const Row& row, std::uint64_t after_seq, std::size_t limit,
                              std::vector<Reading>& out) {
  const RowSection* section = row.header.Find(thing.id);
  if (section == nullptr || section->last_seq() <= after_seq) return {};
  const std::uint64_t from = std::max(section->first_seq, after_seq + 1);
  if (thing.unsent.CountIn(from, section->last_seq()) == 0) return {};
  std::vector<Reading> readings;
  const Status decoded = DecodeSection(row.blob, row.header, *section, dictionary_, readings);
  if (!decoded) return decoded;
  for (Reading& reading : readings) {
    if (out.size() >= limit) break;
    if (reading.seq < from || !thing.unsent.Contains(reading.seq)) continue;
    if (options_.times != nullptr) options_.times->Redate(reading);
    out.push_back(std::move(reading));
  }
  return {};
}

Result<Journal::UnsentRead> Journal::ReadUnsent(const std::string& name, std::uint64_t after_seq, std::size_t limit,
                                                Deadline deadline) {
  const auto it = things_.find(name);
  if (it == things_.end() || limit == 0) return UnsentRead{};
  return FindUnsent(it->second, it->second.drain, after_seq, limit, deadline);
}

Result<Journal::UnsentRead> Journal::FindUnsent(ThingState& thing, Hint& hint, std::uint64_t after_seq,
                                                std::size_t limit, Deadline deadline) {
  UnsentRead read;
  const std::optional<std::uint64_t> start = thing.unsent.FirstFrom(after_seq + 1);
  if (!start) return read;
  std::int64_t row = *start >= hint.seq ? hint.row : 0;
  while (read.readings.size() < limit) {
    const auto block = BlockFor(row, false);
    if (!block) return Fail(block.error());
    if (!*block) {
      if (read.readings.empty()) NoteMissing(thing, *start, SeqMark::kMaxSeq);
      return read;
    }
    row = std::max(row, (*block)->first_row);
    const BlockThing* part = (*block)->Find(thing.id);
    const bool any = part != nullptr && part->last_seq >= *start &&
                     thing.unsent.CountIn(std::max(part->first_seq, *start), part->last_seq) > 0;
    if (!any) row = (*block)->last_row + 1;
    for (; row <= (*block)->last_row && read.readings.size() < limit; ++row) {
      const auto loaded = LoadRow(row);
      if (!loaded) return Fail(loaded.error());
      const std::size_t before = read.readings.size();
      if (*loaded != nullptr) {
        const Status collected = CollectUnsent(thing, **loaded, *start - 1, limit, read.readings);
        // A damaged section costs its own readings, not those behind it.
        if (!collected) log::Error("store.damaged_row", collected.error().message, {{"row", row}});
      }
      if (before == 0 && !read.readings.empty()) NoteMissing(thing, *start, read.readings.front().seq - 1);
      if (read.readings.size() > before) hint = {read.readings.back().seq, row};
      if (Passed(deadline)) break;
    }
    if (!Passed(deadline)) continue;
    read.again = read.readings.empty();
    if (read.again) hint = {*start, row};
    return read;
  }
  return read;
}

void Journal::NoteMissing(const ThingState& thing, std::uint64_t first, std::uint64_t last) {
  if (last < first || thing.unsent.CountIn(first, last) == 0) return;
  const IntervalSet missing = thing.unsent.Within(first, last);
  for (const auto& [from, to] : missing.map()) {
    // Thinning begins with the oldest, so that what lies behind its last block was damaged.
    if (from <= thing.thinned_until) missing_.holes[thing.name].Add(from, std::min(to, thing.thinned_until));
    if (to > thing.thinned_until) missing_.damaged[thing.name].Add(std::max(from, thing.thinned_until + 1), to);
  }
}

std::int64_t Journal::OldestUnsentMs(const std::string& name, Deadline deadline) {
  const auto it = things_.find(name);
  if (it == things_.end() || it->second.unsent.empty()) return 0;
  ThingState& thing = it->second;
  const std::uint64_t seq = *thing.unsent.FirstFrom(0);
  if (thing.oldest_seq == seq) return thing.oldest_ms;
  const auto first = FindUnsent(thing, thing.oldest, seq - 1, 1, deadline);
  if (!first || first->readings.empty()) return 0;
  thing.oldest_seq = seq;
  thing.oldest_ms = first->readings.front().unix_ms;
  return thing.oldest_ms;
}

bool Journal::MayMatch(const QueryState& state, const ThingState& thing, const Block& block) const {
  const BlockThing* part = block.Find(thing.id);
  if (part == nullptr || part->last_seq <= state.query.after_seq) return false;
  static const TimeBook kNone;
  const TimeBook& times = options_.times != nullptr ? *options_.times : kNone;
  return times.MayLieIn(block.oldest_ms, block.newest_ms, state.query.since_ms, state.query.until_ms);
}

Status Journal::CollectQuery(QueryState& state, const ThingState& thing, const Row& row) {
  const RowSection* section = row.header.Find(thing.id);
  if (section == nullptr || section->last_seq() <= state.query.after_seq) return {};
  std::vector<Reading> readings;
  const Status decoded = DecodeSection(row.blob, row.header, *section, dictionary_, readings);
  if (!decoded) return decoded;
  if (state.query.newest_first) std::reverse(readings.begin(), readings.end());
  for (Reading& reading : readings) {
    if (state.found.size() >= state.query.limit) break;
    // The block may have been packed since the last slice of this query.
    const bool known =
        !state.found.empty() && (state.query.newest_first ? reading.seq >= state.found.back().reading.seq
                                                          : reading.seq <= state.found.back().reading.seq);
    if (known) continue;
    if (options_.times != nullptr) options_.times->Redate(reading);
    if (reading.seq <= state.query.after_seq || reading.unix_ms < state.query.since_ms ||
        reading.unix_ms >= state.query.until_ms) {
      continue;
    }
    const bool sent = !thing.unsent.Contains(reading.seq);
    state.found.push_back({std::move(reading), sent});
  }
  return {};
}

// A block by thing has all of them in one row. false: not where it should be, so that the rows are to be searched.
Result<bool> Journal::CollectPacked(QueryState& state, const ThingState& thing, const Block& block) {
  const auto index = static_cast<std::size_t>(block.Find(thing.id) - block.things.data());
  const auto row = LoadRow(block.RowOf(index));
  if (!row) return Fail(row.error());
  if (*row == nullptr || (*row)->header.Find(thing.id) == nullptr) return false;
  return CollectQuery(state, thing, **row).has_value();
}

Result<bool> Journal::ContinueQuery(QueryState& state, Deadline deadline) {
  const auto it = things_.find(state.query.thing);
  if (it == things_.end()) return true;
  const bool back = state.query.newest_first;
  const std::int64_t step = back ? -1 : 1;
  if (!state.next_row) state.next_row = back ? block_.last_row : 0;
  std::int64_t& row = *state.next_row;
  while (state.found.size() < state.query.limit) {
    const auto block = BlockFor(row, back);
    if (!block) return Fail(block.error());
    if (!*block) break;
    row = back ? std::min(row, (*block)->last_row) : std::max(row, (*block)->first_row);
    const std::int64_t end = back ? (*block)->first_row - 1 : (*block)->last_row + 1;
    if (!MayMatch(state, it->second, **block)) row = end;
    if (row != end && (*block)->layout != BlockLayout::kByCommit) {
      const Result<bool> found = CollectPacked(state, it->second, **block);
      if (!found) return Fail(found.error());
      if (*found) row = end;
      if (Passed(deadline)) return false;
    }
    for (; row != end && state.found.size() < state.query.limit; row += step) {
      if (Passed(deadline)) return false;
      const auto loaded = LoadRow(row);
      if (!loaded) return Fail(loaded.error());
      if (*loaded == nullptr) continue;
      const Status collected = CollectQuery(state, it->second, **loaded);
      if (!collected) log::Error("store.damaged_row", collected.error().message, {{"row", row}});
    }
  }
  if (back) std::reverse(state.found.begin(), state.found.end());
  return true;
}

std::uint64_t Journal::UnsentIn(const Block& block) const {
  std::uint64_t unsent = 0;
  for (const BlockThing& part : block.things) {
    const auto thing = by_id_.find(part.thing);
    if (thing != by_id_.end()) unsent += thing->second->unsent.CountIn(part.first_seq, part.last_seq);
  }
  return unsent;
}

std::map<std::string, IntervalSet> Journal::UnsentRanges(const Block& block) const {
  std::map<std::string, IntervalSet> result;
  for (const BlockThing& part : block.things) {
    const auto thing = by_id_.find(part.thing);
    if (thing == by_id_.end()) continue;
    const IntervalSet unsent = thing->second->unsent.Within(part.first_seq, part.last_seq);
    if (!unsent.empty()) result.emplace(thing->second->name, unsent);
  }
  return result;
}

}  // namespace penumbra
