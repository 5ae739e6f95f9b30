#include "base/bytes.hpp"

#include <bit>

namespace penumbra {

void ByteWriter::Varint(std::uint64_t value) {
  while (value >= 0x80) {
    U8(static_cast<std::uint8_t>(value | 0x80));
    value >>= 7;
  }
  U8(static_cast<std::uint8_t>(value));
}

void ByteWriter::Zigzag(std::int64_t value) {
  Varint((static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63));
}

void ByteWriter::F64(double value) {
  auto bits = std::bit_cast<std::uint64_t>(value);
  for (int i = 0; i < 8; ++i, bits >>= 8) U8(static_cast<std::uint8_t>(bits));
}

void ByteWriter::String(std::string_view text) {
  Varint(text.size());
  out_.append(text);
}

std::uint8_t ByteReader::U8() {
  if (rest_.empty()) {
    Fault();
    return 0;
  }
  const auto value = static_cast<std::uint8_t>(rest_.front());
  rest_.remove_prefix(1);
  return value;
}

std::uint64_t ByteReader::Varint() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    const std::uint8_t byte = U8();
    if (!ok_) return 0;
    if (shift == 63 && byte > 1) break;  // more than 64 bits
    value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  Fault();
  return 0;
}

std::int64_t ByteReader::Zigzag() {
  const std::uint64_t value = Varint();
  return static_cast<std::int64_t>((value >> 1) ^ (~(value & 1) + 1));
}

double ByteReader::F64() {
  std::uint64_t bits = 0;
  for (int i = 0; i < 8; ++i) bits |= static_cast<std::uint64_t>(U8()) << (8 * i);
  return ok_ ? std::bit_cast<double>(bits) : 0.0;
}

std::string_view ByteReader::String() {
  return Raw(Varint());
}

std::string_view ByteReader::Raw(std::size_t n) {
  if (n > rest_.size()) {
    Fault();
    return {};
  }
  const std::string_view result = rest_.substr(0, n);
  rest_.remove_prefix(n);
  return result;
}

std::size_t ByteReader::Count() {
  const std::uint64_t count = Varint();
  if (count > rest_.size()) {
    Fault();
    return 0;
  }
  return count;
}

}  // namespace penumbra
