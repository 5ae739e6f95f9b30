// Finds the rows of a damaged store file page by page, without the b-trees that led to them: every page of the file,
// and of its WAL as far as that was committed, is looked at once. What table a page belongs to is told by the file's
// pointer map, by its root pages (a file of ours has them where every other has them, see RootsOf), or by a page above.
// Free pages are passed over: what they hold was removed.
// Deliberately believes no row: who takes one checks its checksum. Opens nothing with SQLite and changes nothing.
// Thread: the store thread.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.hpp"
#include "store/btree_page.hpp"
#include "store/database.hpp"
#include "store/files.hpp"

namespace penumbra {

class PageScan {
 public:
  using Roots = std::map<std::uint32_t, std::string>;  // page -> table
  // Of a whole file that the same migrations made. With auto_vacuum SQLite keeps root pages at the front, in the order
  // in which the tables were created, whatever else the file holds.
  static Result<Roots> RootsOf(Database& database);

  PageScan(Files& files, std::filesystem::path file, Roots roots);

  // A row of any table but the journal. Views live as long as the call.
  using RowHandler =
      std::function<void(std::string_view table, std::int64_t rowid, const std::vector<btree::Value>& row)>;
  // Looks at the next `pages`. true: all have been seen.
  bool Step(std::uint32_t pages, const RowHandler& handler);

  struct JournalRow {
    std::int64_t id = 0;
    std::string blob;  // empty: not all of it is there
  };
  // When all pages have been seen: the journal row behind `after`; nullopt: there is none. `after` does not go back.
  std::optional<JournalRow> NextRow(std::int64_t after);

  std::uint32_t pages() const { return pages_; }
  std::uint64_t unreadable_pages() const { return unreadable_; }  // that the disk does not give

 private:
  // A leaf of the journal and the ids of its rows.
  struct Leaf {
    std::int64_t first = 0;
    std::int64_t last = 0;
    std::uint32_t page = 0;
  };
  struct Chunk {
    std::uint64_t at = 0;
    std::string bytes;
    std::uint64_t used = 0;
  };

  void LoadWal();
  std::string ReadPage(std::uint32_t number);
  const std::string& ChunkAt(std::uint64_t at);
  btree::Pointer PointerOf(std::uint32_t number);
  std::optional<std::string_view> TableOf(std::uint32_t number);
  bool IsOfJournal(std::uint32_t number);
  void FollowJournal(std::uint32_t number, int depth);
  void TakeLeaf(const btree::Page& page, std::uint32_t number);
  void LookAt(std::uint32_t number, const RowHandler& handler);
  bool Assemble(const btree::Cell& cell, std::string& payload);

  Files& files_;
  const std::filesystem::path file_;
  const Roots roots_;
  std::size_t page_size_ = Database::kPageSize;
  std::uint32_t pages_ = 0;
  std::uint32_t next_page_ = 1;
  std::string wal_;
  std::unordered_map<std::uint32_t, std::size_t> in_wal_;         // page -> where its newest bytes are in wal_
  std::unordered_map<std::uint32_t, std::string_view> children_;  // of pages above, but for the journal
  // The pointer map page looked at last; empty: it is not to be believed.
  std::uint32_t map_number_ = 0;
  std::string map_;
  // Where the pointer map is damaged: what the journal's own tree leads to, and whether all of it could be followed.
  std::optional<std::vector<bool>> journal_pages_;
  bool journal_whole_ = true;
  std::vector<Leaf> leaves_;  // ascending once all is seen
  std::size_t leaf_ = 0;      // the first that may hold what comes next
  std::array<Chunk, 4> chunks_;
  std::uint64_t use_ = 0;
  std::uint64_t unreadable_ = 0;
};

}  // namespace penumbra
