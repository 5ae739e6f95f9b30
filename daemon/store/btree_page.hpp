// A page of a SQLite file, read without SQLite: for a damaged file whose b-trees do not lead to it any more. Pure
// functions over bytes; damage and hostile input give fewer cells, never a crash.
// Source: sqlite.org/fileformat2.html sections 1.6 ("B-tree Pages"), 1.8 ("Pointer Map"), 2.1 ("Record Format").
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace penumbra::btree {

enum class PageKind {
  kTableLeaf,      // rows of a table with rowids
  kTableInterior,  // its children
  kIndexLeaf,      // rows of a table WITHOUT ROWID
  kIndexInterior,  // such rows too, and children
  kOther,          // overflow, free, pointer map, or damaged
};

struct Cell {
  std::int64_t rowid = 0;      // kTable*
  std::uint32_t child = 0;     // k*Interior: the page to its left
  std::string_view local;      // all but kTableInterior: the beginning of the payload
  std::uint64_t size = 0;      // of the whole payload
  std::uint32_t overflow = 0;  // the page on which the rest begins; 0: there is no rest
};

struct Page {
  PageKind kind = PageKind::kOther;
  std::vector<Cell> cells;      // those that fit into the page
  std::uint32_t rightmost = 0;  // k*Interior: the last child
};

// `bytes` is a whole page, number 1 with the file's header; the answer views it.
Page ParsePage(std::string_view bytes, std::uint32_t number);

struct Value {
  enum class Type { kNull, kInteger, kReal, kText, kBlob };
  Type type = Type::kNull;
  std::int64_t integer = 0;  // kInteger
  std::string_view bytes;    // kText, kBlob
};
// Of a whole payload; nullopt: it is none.
std::optional<std::vector<Value>> ParseRecord(std::string_view payload);
// From its beginning: whether the columns are nothing and a blob, as a row of table journal has them (its id is the
// rowid).
bool StartsAsIdAndBlob(std::string_view payload);

// The entry of a page in a pointer map.
struct Pointer {
  enum class Kind { kRoot, kFree, kOverflow, kBTree, kUnknown };
  Kind kind = Kind::kUnknown;
  std::uint32_t parent = 0;  // kBTree, kOverflow: the page that leads to it; else 0
};
// The pointer map page that speaks of page `number` (>= 2), and what it says there. A page that is a map itself is its
// own map.
std::uint32_t MapOf(std::uint32_t number, std::size_t page_size);
Pointer PointerOf(std::string_view map, std::uint32_t map_number, std::uint32_t number);

}  // namespace penumbra::btree
