// Journal takes rows from another file (salvage.hpp): below its own, with the seqs that they had.
#include <algorithm>
#include <set>

#include "store/journal.hpp"

namespace penumbra {

Status Journal::Name(const std::string& thing) {
  Thing(thing);
  return WriteFreshWords();
}

Status Journal::Adopt(const std::vector<AdoptedRow>& rows, const AckMap& acks) {
  std::set<std::string> changed;
  Block block;
  for (const AdoptedRow& row : rows) {
    const std::string blob = EncodeRow(row.readings, {}, dictionary_);
    if (const Status words = WriteFreshWords(); !words) return words;
    auto insert = database_.Prepare("INSERT INTO journal(id, data) VALUES(?, ?)");
    if (!insert) return Fail(insert.error());
    if (const Status done = insert->Bind(1, row.id).BindBlob(2, blob).Run(); !done) return done;
    const Result<RowHeader> header = DecodeHeader(blob);
    if (!header) return Fail(Action::kFatal, "an adopted journal row does not read back");
    if (block.first_row == 0) block = Block::StartingAt(row.id);
    block.last_row = row.id - 1;
    block.Add(*header, blob.size());
    for (const RowSection& section : header->sections) {
      if (section.holes > 0) block.layout = BlockLayout::kThinned;
      TakeSection(section, row);
    }
    for (const auto& [name, unsent] : row.unsent) changed.insert(name);
  }
  for (const auto& [name, set] : acks) {
    const auto thing = things_.find(name);
    if (thing == things_.end()) continue;
    for (const auto& [first, last] : set.map()) thing->second.unsent.Remove(first, last);
    changed.insert(name);
  }
  for (const std::string& name : changed) {
    const auto thing = things_.find(name);
    if (thing == things_.end()) continue;
    if (const Status stored = StoreThing(thing->second); !stored) return stored;
  }
  if (block.first_row == 0) return {};
  readings_ += block.readings;
  if (const Status stored = StoreBlock(block); !stored) return stored;
  return StoreReadings();
}

void Journal::TakeSection(const RowSection& section, const AdoptedRow& row) {
  ThingState* thing = ById(section.thing);
  if (thing == nullptr) return;
  if (thing->newest_seq == 0) {
    // Rows that were lost may have given more: its next seq is one that nobody was given.
    thing->newest_seq = std::max(section.last_seq(), mark_.mark());
    thing->newest_ms = section.last_ms;
  }
  const auto unsent = row.unsent.find(thing->name);
  if (unsent == row.unsent.end()) return;
  for (const auto& [first, last] : unsent->second.map()) thing->unsent.Add(first, last);
  if (section.holes == 0 || unsent->second.empty()) return;
  thing->holes += std::min(section.holes, unsent->second.count());
  thing->thinned_until = std::max(thing->thinned_until, section.last_seq());
}

}  // namespace penumbra
