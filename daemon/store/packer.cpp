#include "store/packer.hpp"

namespace penumbra {
namespace {

constexpr int kBlocksLookedAt = 16;      // in one step
constexpr std::int64_t kFewestRows = 8;  // of a block: fewer are found quickly as they are

}  // namespace

bool Packer::IsWorthIt(const Journal& journal, const Block& block) {
  return !block.things.empty() && block.last_row - block.first_row + 1 >= kFewestRows && journal.UnsentIn(block) == 0;
}

Result<bool> Packer::Step(Database& database, Journal& journal) {
  for (int looked = 0; looked < kBlocksLookedAt; ++looked) {
    const auto block = journal.BlockByCommitFrom(cursor_);
    if (!block) return Fail(block.error());
    cursor_ = *block ? (*block)->last_row + 1 : 0;
    if (!*block) return false;
    if (!IsWorthIt(journal, **block)) continue;
    if (const Status begun = database.Begin(); !begun) return Fail(begun.error());
    if (const Status packed = journal.PackByThing(**block); !packed) return Fail(packed.error());
    if (const Status done = database.Commit(); !done) return Fail(done.error());
    return true;
  }
  return false;
}

}  // namespace penumbra
