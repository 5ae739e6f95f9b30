#include "store/page_scan.hpp"

#include <algorithm>

#include "store/codec.hpp"
#include "store/wal_check.hpp"

namespace penumbra {
namespace {

constexpr std::string_view kMagic("SQLite format 3\0", 16);
constexpr std::string_view kJournal = "journal";
constexpr std::size_t kChunkBytes = 64 * 1024;
constexpr std::uint64_t kMaxPayload = 64 * 1024 * 1024;
constexpr int kMaxDepth = 20;             // of a b-tree
constexpr std::int64_t kFarApart = 1024;  // of two rows on one page: one of the numbers is damaged, or the page is old
constexpr std::size_t kWalHeader = 32;
constexpr std::size_t kFrameHeader = 24;

std::uint32_t Big(std::string_view bytes, std::size_t at, std::size_t count) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

bool IsPageSize(std::size_t size) {
  return size >= 512 && size <= 65536 && (size & (size - 1)) == 0;
}

}  // namespace

Result<PageScan::Roots> PageScan::RootsOf(Database& database) {
  Roots roots;
  auto rows = database.Prepare("SELECT rootpage, name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0");
  if (!rows) return Fail(rows.error());
  for (;;) {
    const Result<bool> row = rows->Step();
    if (!row) return Fail(row.error());
    if (!*row) return roots;
    roots.emplace(static_cast<std::uint32_t>(rows->Int(0)), rows->Bytes(1));
  }
}

PageScan::PageScan(Files& files, std::filesystem::path file, Roots roots)
    : files_(files), file_(std::move(file)), roots_(std::move(roots)) {
  const auto header = files_.ReadPart(file_, 0, 18);
  if (header && header->size() == 18 && header->starts_with(kMagic)) {
    const std::size_t size = Big(*header, 16, 2) == 1 ? 65536 : Big(*header, 16, 2);
    if (IsPageSize(size)) page_size_ = size;
  }
  LoadWal();
  pages_ = static_cast<std::uint32_t>((files_.Size(file_) + page_size_ - 1) / page_size_);
  for (const auto& [page, at] : in_wal_) pages_ = std::max(pages_, page);
}

void PageScan::LoadWal() {
  std::filesystem::path path = file_;
  path += "-wal";
  auto wal = files_.Read(path);
  if (!wal || !*wal) return;
  wal_ = std::move(**wal);
  const std::size_t committed = CheckWal(wal_).committed;
  if (committed == 0 || Big(wal_, 8, 4) != page_size_) return;
  const std::uint32_t pages = Big(wal_, kWalHeader + (committed - 1) * (kFrameHeader + page_size_) + 4, 4);
  for (std::size_t frame = 0; frame < committed; ++frame) {
    const std::size_t at = kWalHeader + frame * (kFrameHeader + page_size_);
    if (Big(wal_, at, 4) > pages) continue;  // of a file that was longer then
    in_wal_[Big(wal_, at, 4)] = at + kFrameHeader;
  }
}

// Zeros where the disk gives nothing.
const std::string& PageScan::ChunkAt(std::uint64_t at) {
  const auto oldest = std::min_element(chunks_.begin(), chunks_.end(), [at](const Chunk& a, const Chunk& b) {
    const bool a_is_it = a.at == at && !a.bytes.empty();
    const bool b_is_it = b.at == at && !b.bytes.empty();
    return a_is_it != b_is_it ? a_is_it : a.used < b.used;
  });
  Chunk& chunk = *oldest;
  chunk.used = ++use_;
  if (chunk.at == at && !chunk.bytes.empty()) return chunk.bytes;
  chunk.at = at;
  auto bytes = files_.ReadPart(file_, at, kChunkBytes);
  if (bytes) {
    chunk.bytes = std::move(*bytes);
  } else {
    chunk.bytes.clear();
    for (std::size_t part = 0; part < kChunkBytes; part += page_size_) {
      auto page = files_.ReadPart(file_, at + part, page_size_);
      unreadable_ += page ? 0 : 1;
      chunk.bytes += page ? *page : std::string();
      chunk.bytes.resize(part + page_size_);
    }
  }
  chunk.bytes.resize(kChunkBytes);
  return chunk.bytes;
}

std::string PageScan::ReadPage(std::uint32_t number) {
  if (number == 0 || number > pages_) return {};
  if (const auto found = in_wal_.find(number); found != in_wal_.end()) return wal_.substr(found->second, page_size_);
  const std::uint64_t at = std::uint64_t{number - 1} * page_size_;
  return ChunkAt(at / kChunkBytes * kChunkBytes).substr(at % kChunkBytes, page_size_);
}

// A map page has no checksum; of one that is damaged at least one entry of its two hundred shows it.
btree::Pointer PageScan::PointerOf(std::uint32_t number) {
  if (const std::uint32_t map = btree::MapOf(number, page_size_); map != map_number_) {
    map_number_ = map;
    map_ = ReadPage(map);
    for (std::uint32_t page = map + 1; page <= pages_ && btree::MapOf(page, page_size_) == map; ++page) {
      const btree::Pointer pointer = btree::PointerOf(map_, map, page);
      if (pointer.kind != btree::Pointer::Kind::kUnknown && pointer.parent <= pages_) continue;
      map_.clear();
      break;
    }
  }
  return btree::PointerOf(map_, map_number_, number);
}

// Empty: not known. nullopt: of none.
std::optional<std::string_view> PageScan::TableOf(std::uint32_t number) {
  for (int depth = 0; depth < kMaxDepth && number > 1; ++depth) {
    if (const auto root = roots_.find(number); root != roots_.end()) return root->second;
    if (const auto known = children_.find(number); known != children_.end()) return known->second;
    const btree::Pointer pointer = PointerOf(number);
    if (pointer.kind == btree::Pointer::Kind::kFree || pointer.kind == btree::Pointer::Kind::kOverflow) {
      return std::nullopt;
    }
    if (pointer.kind != btree::Pointer::Kind::kBTree) break;
    number = pointer.parent;
  }
  return std::string_view();
}

bool PageScan::Step(std::uint32_t pages, const RowHandler& handler) {
  for (; pages > 0 && next_page_ <= pages_; --pages) LookAt(next_page_++, handler);
  if (next_page_ <= pages_) return false;
  std::sort(leaves_.begin(), leaves_.end(), [](const Leaf& a, const Leaf& b) { return a.first < b.first; });
  return true;
}

// For a page of an unknown table. One that the journal's tree does not lead to holds rows that were removed; it is
// taken all the same when that tree is damaged as well.
bool PageScan::IsOfJournal(std::uint32_t number) {
  if (!journal_pages_) {
    journal_pages_.emplace(std::size_t{pages_} + 1);
    const auto root = std::find_if(roots_.begin(), roots_.end(), [](const auto& r) { return r.second == kJournal; });
    if (root != roots_.end()) FollowJournal(root->first, 0);
  }
  return !journal_whole_ || (*journal_pages_)[number];
}

void PageScan::FollowJournal(std::uint32_t number, int depth) {
  const std::string bytes = ReadPage(number);
  const btree::Page page = btree::ParsePage(bytes, number);
  if (page.kind == btree::PageKind::kTableLeaf) return;
  if (page.kind != btree::PageKind::kTableInterior || page.cells.empty() || depth == kMaxDepth) {
    journal_whole_ = false;
    return;
  }
  std::vector<std::uint32_t> children{page.rightmost};
  for (const btree::Cell& cell : page.cells) children.push_back(cell.child);
  // All leaves are equally deep: one shows what the others are.
  bool leaves = false;
  for (const std::uint32_t child : children) {
    if (child == 0 || child > pages_) {
      journal_whole_ = false;
      continue;
    }
    (*journal_pages_)[child] = true;
    if (leaves) continue;
    const std::string below = ReadPage(child);
    leaves = btree::ParsePage(below, child).kind == btree::PageKind::kTableLeaf;
    if (!leaves) FollowJournal(child, depth + 1);
  }
}

void PageScan::LookAt(std::uint32_t number, const RowHandler& handler) {
  if (number > 1 && btree::MapOf(number, page_size_) == number) return;
  const std::string bytes = ReadPage(number);
  const btree::Page page = btree::ParsePage(bytes, number);
  if (page.kind == btree::PageKind::kOther) return;
  const auto table = TableOf(number);
  if (!table) return;
  const bool leaf = page.kind == btree::PageKind::kTableLeaf;
  if (leaf && (*table == kJournal || (table->empty() && IsOfJournal(number)))) return TakeLeaf(page, number);
  if (table->empty() || *table == kJournal) return;
  std::string payload;
  for (const btree::Cell& cell : page.cells) {
    if (cell.child != 0 && cell.child <= pages_) children_.emplace(cell.child, *table);
    if (page.kind == btree::PageKind::kTableInterior || !Assemble(cell, payload)) continue;
    if (const auto row = btree::ParseRecord(payload)) handler(*table, cell.rowid, *row);
  }
  if (page.rightmost != 0 && page.rightmost <= pages_) children_.emplace(page.rightmost, *table);
}

// In stretches without a wide gap: a leaf that reached over those of all others because of one damaged number would be
// looked at for each of their rows.
void PageScan::TakeLeaf(const btree::Page& page, std::uint32_t number) {
  std::vector<std::int64_t> rows;
  for (const btree::Cell& cell : page.cells) {
    if (cell.rowid >= 0 && btree::StartsAsIdAndBlob(cell.local)) rows.push_back(cell.rowid);
  }
  std::sort(rows.begin(), rows.end());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i == 0 || rows[i] - rows[i - 1] > kFarApart) {
      leaves_.push_back({rows[i], rows[i], number});
    } else {
      leaves_.back().last = rows[i];
    }
  }
}

bool PageScan::Assemble(const btree::Cell& cell, std::string& payload) {
  payload = cell.local;
  if (cell.size > std::min<std::uint64_t>(kMaxPayload, std::uint64_t{pages_} * page_size_)) return false;
  for (std::uint32_t next = cell.overflow; payload.size() < cell.size;) {
    const std::string page = ReadPage(next);
    if (page.empty()) return false;
    next = Big(page, 0, 4);
    payload.append(page, 4, static_cast<std::size_t>(cell.size - payload.size()));
  }
  return true;
}

// Where the pointer map is damaged, pages with removed rows may be among the leaves, so they may overlap, and hold a
// row once more, of which the rest has been written over.
std::optional<PageScan::JournalRow> PageScan::NextRow(std::int64_t after) {
  while (leaf_ < leaves_.size() && leaves_[leaf_].last <= after) ++leaf_;
  std::optional<JournalRow> next;
  std::string payload;
  for (std::size_t i = leaf_; i < leaves_.size() && (!next || leaves_[i].first <= next->id); ++i) {
    if (leaves_[i].last <= after) continue;
    const std::string bytes = ReadPage(leaves_[i].page);
    for (const btree::Cell& cell : btree::ParsePage(bytes, leaves_[i].page).cells) {
      if (cell.rowid <= after || (next && cell.rowid > next->id) || !btree::StartsAsIdAndBlob(cell.local)) continue;
      if (!next || cell.rowid < next->id) {
        next = JournalRow{cell.rowid, {}};
      } else if (DecodeHeader(next->blob)) {
        continue;
      }
      if (!Assemble(cell, payload)) continue;
      if (const auto row = btree::ParseRecord(payload); row && row->size() == 2) next->blob = (*row)[1].bytes;
    }
  }
  return next;
}

}  // namespace penumbra
