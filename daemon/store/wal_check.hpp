// Looks at a WAL before SQLite does. SQLite takes what is whole up to the first frame whose checksum is wrong, and says
// nothing about the rest: after bit rot the last commits are silently gone, and with them the sequence numbers that
// they had given away. Pure.
// Source: sqlite.org/fileformat2.html section 4 ("The Write-Ahead Log").
#pragma once

#include <cstddef>
#include <string_view>

namespace penumbra {

struct WalCheck {
  std::size_t committed = 0;  // frames that SQLite will take
  std::size_t behind = 0;     // frames of the same WAL behind them: not committed, or damaged
  // More may have been committed than SQLite will take. Also after a power cut in the middle of a commit, which cannot
  // be told from damage.
  bool doubtful = false;
};

// An empty `wal` is not doubtful by itself.
WalCheck CheckWal(std::string_view wal);

}  // namespace penumbra
