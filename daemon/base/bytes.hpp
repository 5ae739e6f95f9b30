// Little building blocks of our binary formats (host wire, store blobs): varints, zigzag, fixed 64-bit, strings.
// The reader never reads past its end: after the first fault it answers zeros and Ok() is false, so a parser checks
// once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace penumbra {

class ByteWriter {
 public:
  void U8(std::uint8_t value) { out_.push_back(static_cast<char>(value)); }
  void Varint(std::uint64_t value);    // LEB128, 1 to 10 bytes
  void Zigzag(std::int64_t value);     // small magnitudes stay small
  void F64(double value);              // 8 bytes, little endian
  void String(std::string_view text);  // varint length, bytes
  void Raw(std::string_view bytes) { out_.append(bytes); }
  const std::string& bytes() const { return out_; }
  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
};

class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}
  std::uint8_t U8();
  std::uint64_t Varint();
  std::int64_t Zigzag();
  double F64();
  std::string_view String();  // a view into the input
  std::string_view Raw(std::size_t n);
  // A count of items that follow, each at least one byte: more than the rest can hold is a fault, so that a
  // hostile count cannot make the caller reserve memory.
  std::size_t Count();
  bool Ok() const { return ok_; }
  bool AtEnd() const { return rest_.empty(); }
  std::size_t remaining() const { return rest_.size(); }

 private:
  void Fault() {
    ok_ = false;
    rest_ = {};
  }
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace penumbra
