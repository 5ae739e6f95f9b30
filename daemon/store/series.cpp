#include "store/series.hpp"

#include <algorithm>
#include <bit>
#include <string>
#include <vector>

#include "store/wrapping.hpp"

namespace penumbra {
namespace {

constexpr std::size_t kBlock = 64;
constexpr std::uint8_t kPlain = 0;
constexpr std::uint8_t kDifferences = 1;

void WriteBits(std::string& bytes, std::size_t& at, std::uint64_t value, unsigned width) {
  for (unsigned done = 0; done < width;) {
    if (at / 8 == bytes.size()) bytes.push_back(0);
    const unsigned shift = at % 8;
    const unsigned taken = std::min(8 - shift, width - done);
    const std::uint64_t part = (value >> done) & ((1U << taken) - 1);
    bytes.back() = static_cast<char>(static_cast<std::uint8_t>(bytes.back()) | (part << shift));
    done += taken;
    at += taken;
  }
}

std::uint64_t ReadBits(std::string_view bytes, std::size_t& at, unsigned width) {
  std::uint64_t value = 0;
  for (unsigned done = 0; done < width;) {
    const unsigned shift = at % 8;
    const unsigned taken = std::min(8 - shift, width - done);
    const std::uint64_t part = (static_cast<std::uint8_t>(bytes[at / 8]) >> shift) & ((1U << taken) - 1);
    value |= part << done;
    done += taken;
    at += taken;
  }
  return value;
}

void WriteBlocks(ByteWriter& out, std::span<const std::int64_t> numbers) {
  for (std::size_t begin = 0; begin < numbers.size(); begin += kBlock) {
    const auto block = numbers.subspan(begin, std::min(kBlock, numbers.size() - begin));
    const auto [smallest, largest] = std::minmax_element(block.begin(), block.end());
    const auto spread = static_cast<std::uint64_t>(Minus(*largest, *smallest));
    const unsigned width = std::max(1U, static_cast<unsigned>(std::bit_width(spread)));
    out.Zigzag(*smallest);
    out.U8(static_cast<std::uint8_t>(width));
    std::string bits;
    std::size_t at = 0;
    for (const std::int64_t number : block)
      WriteBits(bits, at, static_cast<std::uint64_t>(Minus(number, *smallest)), width);
    out.Raw(bits);
  }
}

bool ReadBlocks(ByteReader& in, std::span<std::int64_t> numbers) {
  for (std::size_t begin = 0; begin < numbers.size(); begin += kBlock) {
    const auto block = numbers.subspan(begin, std::min(kBlock, numbers.size() - begin));
    const std::int64_t smallest = in.Zigzag();
    const unsigned width = in.U8();
    if (!in.Ok() || width == 0 || width > 64) return false;
    const std::string_view bits = in.Raw((block.size() * width + 7) / 8);
    if (!in.Ok()) return false;
    std::size_t at = 0;
    for (std::int64_t& number : block) number = Plus(smallest, static_cast<std::int64_t>(ReadBits(bits, at, width)));
  }
  return true;
}

}  // namespace

void EncodeSeries(ByteWriter& out, std::span<const std::int64_t> numbers) {
  std::vector<std::int64_t> differences(numbers.size() - 1);
  for (std::size_t i = 1; i < numbers.size(); ++i) differences[i - 1] = Minus(numbers[i], numbers[i - 1]);
  ByteWriter plain;
  plain.U8(kPlain);
  WriteBlocks(plain, numbers);
  ByteWriter different;
  different.U8(kDifferences);
  different.Zigzag(numbers.front());
  WriteBlocks(different, differences);
  out.Raw(different.bytes().size() < plain.bytes().size() ? different.bytes() : plain.bytes());
}

bool DecodeSeries(ByteReader& in, std::span<std::int64_t> numbers) {
  const std::uint8_t order = in.U8();
  if (order == kPlain) return ReadBlocks(in, numbers);
  if (order != kDifferences) return false;
  numbers.front() = in.Zigzag();
  if (!ReadBlocks(in, numbers.subspan(1))) return false;
  for (std::size_t i = 1; i < numbers.size(); ++i) numbers[i] = Plus(numbers[i - 1], numbers[i]);
  return true;
}

}  // namespace penumbra
