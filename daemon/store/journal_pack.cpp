// The packing half of Journal: a closed block is written again with one row for each thing, either whole (sent history,
// so that a query finds a day of one thing at once) or thinned (unsent readings, when space runs out).
#include <algorithm>
#include <iterator>
#include <tuple>

#include "base/log.hpp"
#include "store/journal.hpp"
#include "store/thinning.hpp"

namespace penumbra {
namespace {

// All but what keeps the shape; what goes is added to `gap`.
void Thinned(std::vector<Reading>& readings, const IntervalSet& unsent, const TimeBook* times, Gap& gap) {
  std::erase_if(readings, [&unsent](const Reading& reading) { return !unsent.Contains(reading.seq); });
  Thinning thinning;
  for (const Reading& reading : readings) thinning.Add(reading);
  thinning.Finish();
  std::erase_if(readings, [&](const Reading& reading) {
    if (thinning.Keeps(reading.seq)) return false;
    Reading dated = reading;
    if (times != nullptr) times->Redate(dated);
    gap.Add(dated.seq, dated.unix_ms);
    return true;
  });
}

}  // namespace

std::uint64_t Journal::ThingState::HolesNow() const {
  const std::optional<std::uint64_t> first = unsent.FirstFrom(0);
  return !first || *first > thinned_until ? 0 : std::min(holes, unsent.count());
}

// Those that can be read: a damaged row or section is left out, and what was unsent of it is found missing later.
Result<std::vector<Reading>> Journal::ReadingsOf(const Block& block, std::uint64_t thing) {
  std::vector<Reading> readings;
  for (std::int64_t id = block.first_row; id <= block.last_row; ++id) {
    const auto row = LoadRow(id);
    if (!row) return Fail(row.error());
    const RowSection* section = *row == nullptr ? nullptr : (*row)->header.Find(thing);
    if (section == nullptr) continue;
    const Status decoded = DecodeSection((*row)->blob, (*row)->header, *section, dictionary_, readings);
    if (!decoded) log::Error("store.damaged_row", decoded.error().message, {{"row", id}});
  }
  return readings;
}

// Thing by thing, so that memory holds the readings of one row at a time. block.things says which things stay.
Result<Block> Journal::Repack(const Block& block, BlockLayout layout, std::map<std::uint64_t, Gap>& gaps) {
  Block rest = block;
  rest.layout = layout;
  rest.readings = 0;
  rest.bytes = 0;
  std::vector<std::pair<std::int64_t, std::string>> rows;
  std::vector<Reading> group;
  for (std::size_t i = 0; i < rest.things.size(); ++i) {
    BlockThing& part = rest.things[i];
    auto readings = ReadingsOf(block, part.thing);
    if (!readings) return Fail(readings.error());
    const ThingState* thing = ById(part.thing);
    if (layout == BlockLayout::kThinned && thing != nullptr) {
      Thinned(*readings, thing->unsent, options_.times, gaps[part.thing]);
    }
    part.count = readings->size();
    std::move(readings->begin(), readings->end(), std::back_inserter(group));
    const bool last_of_row = i + 1 == rest.things.size() || rest.RowOf(i + 1) != rest.RowOf(i);
    if (!last_of_row || group.empty()) continue;
    // Acks of rows before the snapshot are in table outbox.
    rows.emplace_back(rest.RowOf(i), EncodeRow(group, {}, dictionary_));
    rest.readings += group.size();
    rest.bytes += rows.back().second.size();
    group.clear();
  }
  if (const Status words = WriteFreshWords(); !words) return Fail(words.error());
  ForgetRows(block);
  auto remove = database_.Prepare("DELETE FROM journal WHERE id BETWEEN ? AND ?");
  if (!remove) return Fail(remove.error());
  if (const Status done = remove->Bind(1, block.first_row).Bind(2, block.last_row).Run(); !done)
    return Fail(done.error());
  for (const auto& [id, blob] : rows) {
    auto insert = database_.Prepare("INSERT INTO journal(id, data) VALUES(?, ?)");
    if (!insert) return Fail(insert.error());
    if (const Status done = insert->Bind(1, id).BindBlob(2, blob).Run(); !done) return Fail(done.error());
  }
  // The times stay those of the whole block: wider than need be, which costs a search a look at most.
  if (const Status stored = StoreBlock(rest); !stored) return Fail(stored.error());
  readings_ -= std::min(readings_, block.readings - std::min(block.readings, rest.readings));
  if (const Status done = StoreReadings(); !done) return Fail(done.error());
  // A search that stopped inside the block begins again with its first row.
  for (auto& [name, thing] : things_) {
    for (Hint* hint : {&thing.drain, &thing.oldest}) {
      if (hint->row > block.first_row && hint->row <= block.last_row) hint->row = block.first_row;
    }
  }
  return rest;
}

Status Journal::PackByThing(const Block& block) {
  std::map<std::uint64_t, Gap> none;
  const auto packed = Repack(block, BlockLayout::kByThing, none);
  return packed ? Status() : Fail(packed.error());
}

Result<std::uint64_t> Journal::Thin(const Block& block) {
  Block unsent = block;
  std::erase_if(unsent.things, [this](const BlockThing& part) {
    const ThingState* thing = ById(part.thing);
    return thing == nullptr || thing->unsent.CountIn(part.first_seq, part.last_seq) == 0;
  });
  std::map<std::uint64_t, Gap> gaps;
  const auto rest = Repack(unsent, BlockLayout::kThinned, gaps);
  if (!rest) return Fail(rest.error());
  std::uint64_t gone = 0;
  for (const BlockThing& part : rest->things) {
    ThingState* thing = ById(part.thing);
    Gap& gap = gaps[part.thing];
    gap.thing = thing->name;
    gap.reason = kGapThinned;
    thing->holes += gap.lost;
    thing->thinned_until = std::max(thing->thinned_until, part.last_seq);
    gone += gap.lost;
    if (const Status noted = NoteGap(database_, gap); !noted) return Fail(noted.error());
    if (const Status stored = StoreThing(*thing); !stored) return Fail(stored.error());
  }
  return gone;
}

// After a start only the sums are known: of a block that was sent in part, what is unsent counts as readings first.
Status Journal::LoadHoles() {
  auto rows = database_.Prepare("SELECT things FROM block WHERE layout = 2");
  if (!rows) return Fail(rows.error());
  for (;;) {
    const Result<bool> more = rows->Step();
    if (!more) return Fail(more.error());
    if (!*more) return {};
    const auto things = DecodeBlockThings(rows->Bytes(0));
    if (!things) return Fail(database_.Damaged(things.error().message));
    for (const BlockThing& part : *things) {
      ThingState* thing = ById(part.thing);
      if (thing == nullptr) continue;
      const std::uint64_t unsent = thing->unsent.CountIn(part.first_seq, part.last_seq);
      thing->holes += unsent - std::min(unsent, part.count);
      thing->thinned_until = std::max(thing->thinned_until, part.last_seq);
    }
  }
}

Result<std::pair<std::int64_t, std::int64_t>> Journal::TimesOf(const ThingState& thing, std::uint64_t first,
                                                               std::uint64_t last) {
  Gap times;
  const auto widen = [&](const Block& block) {
    const BlockThing* part = block.Find(thing.id);
    if (part == nullptr || part->last_seq < first || part->first_seq > last) return;
    times.Add(first, block.oldest_ms);
    times.Add(last, block.newest_ms);
  };
  for (std::int64_t row = INT64_MIN;;) {
    const auto block = StoredBlockFrom(row);
    if (!block) return Fail(block.error());
    if (!*block) break;
    widen(**block);
    row = (*block)->last_row + 1;
  }
  widen(block_);
  return std::pair(times.from_ms, times.to_ms);
}

Status Journal::Settle(const Missing& missing) {
  for (const auto& [name, set] : missing.holes) {
    const auto thing = things_.find(name);
    if (thing == things_.end()) continue;
    for (const auto& [first, last] : set.map()) {
      thing->second.holes -= std::min(thing->second.holes, thing->second.unsent.CountIn(first, last));
    }
  }
  for (const auto& [name, set] : missing.damaged) {
    const auto thing = things_.find(name);
    if (thing == things_.end()) continue;
    // What was settled before is not unsent any more.
    Gap gap{.thing = name, .reason = std::string(kGapDamaged)};
    for (const auto& [first, last] : set.map()) {
      const IntervalSet there = thing->second.unsent.Within(first, last);
      if (there.empty()) continue;
      gap.from_seq = gap.lost == 0 ? there.map().begin()->first : gap.from_seq;
      gap.to_seq = there.map().rbegin()->second;
      gap.lost += there.count();
    }
    if (gap.lost == 0) continue;
    const auto times = TimesOf(thing->second, gap.from_seq, gap.to_seq);
    if (!times) return Fail(times.error());
    std::tie(gap.from_ms, gap.to_ms) = *times;
    if (const Status noted = NoteGap(database_, gap); !noted) return noted;
  }
  return {};
}

}  // namespace penumbra
