#include "store/wal_check.hpp"

#include <cstdint>

namespace penumbra {
namespace {

constexpr std::size_t kHeader = 32;
constexpr std::size_t kFrameHeader = 24;
constexpr std::uint32_t kMagic = 0x377f0682;  // the lowest bit: checksums over big-endian words

std::uint32_t Word(std::string_view bytes, std::size_t at, bool big) {
  const auto byte = [&](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[at + i]));
  };
  return big ? byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3)
             : byte(3) << 24 | byte(2) << 16 | byte(1) << 8 | byte(0);
}

struct Checksum {
  std::uint32_t a = 0;
  std::uint32_t b = 0;
  // A multiple of 8 bytes.
  void Add(std::string_view bytes, bool big) {
    for (std::size_t at = 0; at + 8 <= bytes.size(); at += 8) {
      a += Word(bytes, at, big) + b;
      b += Word(bytes, at + 4, big) + a;
    }
  }
  bool Is(std::string_view bytes, std::size_t at) const {
    return a == Word(bytes, at, true) && b == Word(bytes, at + 4, true);
  }
};

}  // namespace

WalCheck CheckWal(std::string_view wal) {
  WalCheck check;
  if (wal.empty()) return check;
  check.doubtful = true;
  if (wal.size() < kHeader) return check;
  const std::uint32_t magic = Word(wal, 0, true);
  const std::uint32_t page = Word(wal, 8, true);
  if ((magic & ~1U) != kMagic || page < 512 || page > 65536 || (page & (page - 1)) != 0) return check;
  const bool big = (magic & 1U) != 0;
  Checksum sum;
  sum.Add(wal.substr(0, 24), big);
  if (!sum.Is(wal, 24)) return check;
  const std::string_view salts = wal.substr(16, 8);
  const std::size_t length = kFrameHeader + page;
  bool whole = true;
  std::size_t frame = 0;
  std::size_t at = kHeader;
  for (; at + length <= wal.size(); at += length, ++frame) {
    const std::string_view header = wal.substr(at, kFrameHeader);
    const bool ours = header.substr(8, 8) == salts;
    if (whole) {
      sum.Add(header.substr(0, 8), big);
      sum.Add(wal.substr(at + kFrameHeader, page), big);
      whole = ours && Word(header, 0, true) != 0 && sum.Is(header, 16);
      if (whole && Word(header, 4, true) != 0) {
        check.committed = frame + 1;
        check.behind = 0;
        continue;
      }
    }
    // One salt of the two: damage may have hit the other.
    if (header.substr(8, 4) == salts.substr(0, 4) || header.substr(12, 4) == salts.substr(4, 4)) ++check.behind;
  }
  // SQLite writes whole frames only.
  check.doubtful = check.behind > 0 || at != wal.size();
  return check;
}

}  // namespace penumbra
