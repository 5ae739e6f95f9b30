// The checksum of a database row whose contents have none of their own. SQLite has none for its pages: a flipped bit
// that leaves the b-tree whole would otherwise go unnoticed. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "store/crc32.hpp"

namespace penumbra {

class RowSum {
 public:
  RowSum& Add(std::string_view bytes) {
    Add(static_cast<std::int64_t>(bytes.size()));
    bytes_ += bytes;
    return *this;
  }
  RowSum& Add(std::int64_t number) {
    for (int shift = 0; shift < 64; shift += 8) bytes_.push_back(static_cast<char>(number >> shift));
    return *this;
  }
  RowSum& Add(std::uint64_t number) { return Add(static_cast<std::int64_t>(number)); }
  std::int64_t value() const { return Crc32(bytes_); }

 private:
  std::string bytes_;
};

// Of a numbered name (tables thing, word, point_set) and of a key with its value (tables meta, setting).
inline std::int64_t NameSum(std::uint64_t id, std::string_view text) {
  return RowSum().Add(id).Add(text).value();
}
inline std::int64_t PairSum(std::string_view key, std::string_view value) {
  return RowSum().Add(key).Add(value).value();
}
inline std::int64_t PairSum(std::string_view key, std::int64_t value) {
  return RowSum().Add(key).Add(value).value();
}

}  // namespace penumbra
