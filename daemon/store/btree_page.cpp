#include "store/btree_page.hpp"

#include <algorithm>
#include <cstddef>

namespace penumbra::btree {
namespace {

constexpr std::size_t kFileHeader = 100;         // in front of page 1
constexpr std::size_t kMaxColumns = 64;          // our tables have fewer
constexpr std::uint64_t kPendingByte = 1 << 30;  // SQLite keeps its page free for locks
constexpr std::size_t kMapEntry = 5;

std::uint64_t Big(std::string_view bytes, std::size_t at, std::size_t count) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

// SQLite's own: big endian, the ninth byte whole.
bool TakeVarint(std::string_view& bytes, std::uint64_t& value) {
  value = 0;
  for (std::size_t i = 0; i < 9 && i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    if (i == 8) {
      value = value << 8 | byte;
    } else {
      value = value << 7 | (byte & 0x7fU);
      if ((byte & 0x80U) != 0) continue;
    }
    bytes.remove_prefix(i + 1);
    return true;
  }
  return false;
}

PageKind KindOf(unsigned char type) {
  switch (type) {
    case 0x0d:
      return PageKind::kTableLeaf;
    case 0x05:
      return PageKind::kTableInterior;
    case 0x0a:
      return PageKind::kIndexLeaf;
    case 0x02:
      return PageKind::kIndexInterior;
    default:
      return PageKind::kOther;
  }
}

// How much of a payload is in the page itself.
std::size_t LocalSize(std::uint64_t size, std::size_t page, bool table) {
  const std::size_t most = table ? page - 35 : (page - 12) * 64 / 255 - 23;
  if (size <= most) return static_cast<std::size_t>(size);
  const std::size_t least = (page - 12) * 32 / 255 - 23;
  const std::size_t even = least + static_cast<std::size_t>((size - least) % (page - 4));
  return even <= most ? even : least;
}

bool ParseCell(std::string_view rest, PageKind kind, std::size_t page, Cell& cell) {
  if (kind == PageKind::kTableInterior || kind == PageKind::kIndexInterior) {
    if (rest.size() < 4) return false;
    cell.child = static_cast<std::uint32_t>(Big(rest, 0, 4));
    rest.remove_prefix(4);
  }
  std::uint64_t number = 0;
  if (kind != PageKind::kTableInterior && !TakeVarint(rest, cell.size)) return false;
  if (kind == PageKind::kTableLeaf || kind == PageKind::kTableInterior) {
    if (!TakeVarint(rest, number)) return false;
    cell.rowid = static_cast<std::int64_t>(number);
  }
  if (kind == PageKind::kTableInterior) return true;
  const std::size_t local = LocalSize(cell.size, page, kind == PageKind::kTableLeaf);
  if (local > rest.size()) return false;
  cell.local = rest.substr(0, local);
  if (local == cell.size) return true;
  rest.remove_prefix(local);
  if (rest.size() < 4) return false;
  cell.overflow = static_cast<std::uint32_t>(Big(rest, 0, 4));
  return cell.overflow != 0;
}

std::size_t IntegerSize(std::uint64_t serial) {
  constexpr std::size_t kSizes[] = {0, 1, 2, 3, 4, 6, 8};
  return kSizes[serial];
}

bool TakeValue(std::uint64_t serial, std::string_view& body, Value& value) {
  std::size_t size = 0;
  if (serial >= 1 && serial <= 6) {
    size = IntegerSize(serial);
    value.type = Value::Type::kInteger;
  } else if (serial == 7) {
    size = 8;
    value.type = Value::Type::kReal;
  } else if (serial == 8 || serial == 9) {
    value = {Value::Type::kInteger, static_cast<std::int64_t>(serial - 8), {}};
  } else if (serial >= 12) {
    if ((serial - 12) / 2 > body.size()) return false;
    size = static_cast<std::size_t>((serial - 12) / 2);
    value.type = serial % 2 == 0 ? Value::Type::kBlob : Value::Type::kText;
  } else if (serial != 0) {
    return false;
  }
  if (size > body.size()) return false;
  if (value.type == Value::Type::kInteger && size > 0) {
    const std::uint64_t bits = Big(body, 0, size);
    const std::size_t unused = 64 - 8 * size;
    value.integer = static_cast<std::int64_t>(bits << unused) >> unused;
  } else {
    value.bytes = body.substr(0, size);
  }
  body.remove_prefix(size);
  return true;
}

}  // namespace

Page ParsePage(std::string_view bytes, std::uint32_t number) {
  Page page;
  const std::size_t start = number == 1 ? kFileHeader : 0;
  if (bytes.size() < 512 || bytes.size() > 65536) return page;
  page.kind = KindOf(static_cast<unsigned char>(bytes[start]));
  if (page.kind == PageKind::kOther) return page;
  const bool interior = page.kind == PageKind::kTableInterior || page.kind == PageKind::kIndexInterior;
  const std::size_t header = start + (interior ? 12 : 8);
  const std::size_t count = std::min<std::size_t>(Big(bytes, start + 3, 2), (bytes.size() - header) / 2);
  if (interior) page.rightmost = static_cast<std::uint32_t>(Big(bytes, start + 8, 4));
  page.cells.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = Big(bytes, header + 2 * i, 2);
    Cell cell;
    if (at < header + 2 * count || at >= bytes.size()) continue;
    if (ParseCell(bytes.substr(at), page.kind, bytes.size(), cell)) page.cells.push_back(cell);
  }
  return page;
}

std::optional<std::vector<Value>> ParseRecord(std::string_view payload) {
  std::string_view rest = payload;
  std::uint64_t header = 0;
  if (!TakeVarint(rest, header) || header > payload.size()) return std::nullopt;
  const std::size_t length = payload.size() - rest.size();
  if (header < length) return std::nullopt;
  std::string_view serials = payload.substr(length, static_cast<std::size_t>(header) - length);
  std::string_view body = payload.substr(static_cast<std::size_t>(header));
  std::vector<Value> values;
  while (!serials.empty()) {
    std::uint64_t serial = 0;
    Value value;
    if (values.size() == kMaxColumns || !TakeVarint(serials, serial) || !TakeValue(serial, body, value)) {
      return std::nullopt;
    }
    values.push_back(value);
  }
  if (!body.empty()) return std::nullopt;
  return values;
}

bool StartsAsIdAndBlob(std::string_view payload) {
  std::string_view rest = payload;
  std::uint64_t header = 0;
  std::uint64_t id = 0;
  std::uint64_t blob = 0;
  if (!TakeVarint(rest, header) || !TakeVarint(rest, id) || !TakeVarint(rest, blob)) return false;
  return id == 0 && blob >= 12 && blob % 2 == 0 && header == payload.size() - rest.size();
}

std::uint32_t MapOf(std::uint32_t number, std::size_t page_size) {
  const auto span = static_cast<std::uint32_t>(page_size / kMapEntry + 1);
  const std::uint32_t map = (number - 2) / span * span + 2;
  return map == kPendingByte / page_size + 1 ? map + 1 : map;
}

Pointer PointerOf(std::string_view map, std::uint32_t map_number, std::uint32_t number) {
  if (number <= map_number) return {};
  const std::size_t at = kMapEntry * (number - map_number - 1);
  if (at + kMapEntry > map.size()) return {};
  const auto parent = static_cast<std::uint32_t>(Big(map, at + 1, 4));
  switch (map[at]) {
    case 1:
      return {parent == 0 ? Pointer::Kind::kRoot : Pointer::Kind::kUnknown, 0};
    case 2:
      return {parent == 0 ? Pointer::Kind::kFree : Pointer::Kind::kUnknown, 0};
    case 3:
    case 4:
      return {Pointer::Kind::kOverflow, parent};
    case 5:
      return {Pointer::Kind::kBTree, parent};
    default:
      return {};
  }
}

}  // namespace penumbra::btree
