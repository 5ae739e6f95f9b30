// Hostile WALs: whatever the bytes, the check ends; and what it takes for committed is there. The first bytes say where
// the rest gets checksums that are right, or no input would get past the header.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "store/wal_check.hpp"

namespace {

struct Sum {
  std::uint32_t a = 0;
  std::uint32_t b = 0;
};

std::uint32_t Word(const std::string& bytes, std::size_t at, bool big) {
  std::uint32_t word = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    const std::size_t from = big ? at + i : at + 3 - i;
    word = word << 8 | static_cast<unsigned char>(bytes[from]);
  }
  return word;
}

void Add(Sum& sum, const std::string& bytes, std::size_t from, std::size_t length, bool big) {
  for (std::size_t at = from; at + 8 <= from + length; at += 8) {
    sum.a += Word(bytes, at, big) + sum.b;
    sum.b += Word(bytes, at + 4, big) + sum.a;
  }
}

void Put(std::string& bytes, std::size_t at, std::uint32_t word) {
  for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<char>(word >> (24 - 8 * i));
}

// sqlite.org/fileformat2.html section 4.
void MakeSumsRight(std::string& wal, std::size_t frames) {
  if (wal.size() < 32) return;
  const bool big = (wal[3] & 1) != 0;
  Put(wal, 0, 0x377f0682U | (big ? 1U : 0U));
  Put(wal, 8, 512);
  Sum sum;
  Add(sum, wal, 0, 24, big);
  Put(wal, 24, sum.a);
  Put(wal, 28, sum.b);
  for (std::size_t at = 32; at + 24 + 512 <= wal.size() && frames > 0; at += 24 + 512, --frames) {
    std::copy(wal.begin() + 16, wal.begin() + 24, wal.begin() + static_cast<std::ptrdiff_t>(at) + 8);
    Add(sum, wal, at, 8, big);
    Add(sum, wal, at + 24, 512, big);
    Put(wal, at + 16, sum.a);
    Put(wal, at + 20, sum.b);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string wal(reinterpret_cast<const char*>(data) + 1, size - 1);
  if ((data[0] & 0x80) != 0) MakeSumsRight(wal, data[0] & 0x7f);
  const penumbra::WalCheck check = penumbra::CheckWal(wal);
  // The smallest page of SQLite is 512 bytes.
  if ((check.committed + check.behind) * (24 + 512) > wal.size()) std::abort();
  if (check.behind > 0 && !check.doubtful) std::abort();
  return 0;
}
