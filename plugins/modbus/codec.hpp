// Registers to values and back: types, word and byte orders, text.
// Deliberately without libmodbus's helpers, whose float functions changed meaning between releases, and without scale
// and offset, which belong to the gateway. Pure; any thread. Source: Modbus Application Protocol V1.1b3, section 4.2.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace penumbra::modbus {

enum class Type { kBool, kS16, kU16, kS32, kU32, kS64, kU64, kF16, kF32, kF64, kBcd16, kBcd32, kString };

// How the bytes A (most significant) to D stand in two registers; with four registers kCdab reverses the registers
// (GHEFCDAB), kBadc swaps the bytes of each (BADCFEHG) and kDcba does both.
enum class Order { kAbcd, kCdab, kBadc, kDcba };

std::optional<Type> TypeFromName(std::string_view name);
std::string_view NameOf(Type type);
std::optional<Order> OrderFromName(std::string_view name);

using Value = std::variant<bool, std::int64_t, std::uint64_t, double, std::string>;

struct Encoding {
  Type type = Type::kU16;
  Order order = Order::kAbcd;
  std::uint16_t length = 0;         // registers of a string
  std::optional<std::uint8_t> bit;  // 0 (least significant) to 15: a bool in a register
  friend bool operator==(const Encoding&, const Encoding&) = default;
};

// Registers that a value of this encoding takes: 1 to 4, or `length` for a string.
std::uint16_t WordsOf(const Encoding& encoding);

struct Decoded {
  Value value;
  const char* fault = nullptr;  // static text; set: there is no value
};

// `words` holds exactly WordsOf(encoding) registers. A float32 becomes the double with the same shortest decimal text
// (22.4, not 22.399999618530273); NaN and infinities pass, the gateway judges them. Text ends at the first NUL, loses
// the spaces around it and must be UTF-8.
Decoded Decode(const Encoding& encoding, std::span<const std::uint16_t> words);

// Fills `words` with the registers of `value`. A real value for an integer type is rounded to the nearest integer.
// Answers an empty text, or why the value does not fit ("70000 is outside -32768..32767 of s16"); it never wraps.
// An encoding with `bit` is the caller's: it needs the register as it is now.
std::string Encode(const Encoding& encoding, const Value& value, std::vector<std::uint16_t>& words);

// What a bool, or a number that is exactly 0 or 1, says; nullopt for everything else.
std::optional<bool> AsBool(const Value& value);

}  // namespace penumbra::modbus
