// Writes sent history again, one journal row for each thing of a block, in the background: a query for a day of one
// thing then decodes that thing's readings and nothing else. A step is one block, in a transaction of its own; the
// bytes count in the write budget, and each reading is packed once.
// Deliberately not unsent blocks: the outbox reads a few readings at a time, for which a row for each commit is right.
// Thread: the store thread; outside transactions.
#pragma once

#include <cstdint>

#include "base/error.hpp"
#include "store/database.hpp"
#include "store/journal.hpp"

namespace penumbra {

class Packer {
 public:
  // true: a block was packed, and there may be more. After an error the journal is to be loaded again.
  Result<bool> Step(Database& database, Journal& journal);

 private:
  static bool IsWorthIt(const Journal& journal, const Block& block);
  std::int64_t cursor_ = 0;  // blocks before it are packed, or were not sent when last looked at
};

}  // namespace penumbra
