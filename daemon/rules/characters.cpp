#include "rules/characters.hpp"

#include <algorithm>
#include <cstdint>

#include "base/text.hpp"

namespace penumbra::rules {
namespace {

bool Begins(char byte) {
  return (static_cast<unsigned char>(byte) & 0xc0) != 0x80;
}

// Ranges of capitals whose small letters lie `step` behind.
struct Range {
  char32_t first, last, step;
};
constexpr Range kCapitals[] = {{'A', 'Z', 32},     {0xc0, 0xd6, 32},   {0xd8, 0xde, 32},
                               {0x391, 0x3a9, 32}, {0x400, 0x40f, 80}, {0x410, 0x42f, 32}};

template <typename Change>
std::string Map(std::string_view utf8, Change change) {
  std::string out;
  out.reserve(utf8.size());
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    const auto lead = static_cast<unsigned char>(utf8[i]);
    if (lead < 0x80) {
      out += static_cast<char>(change(lead));
    } else if (lead >= 0xc3 && lead <= 0xd1 && i + 1 < utf8.size()) {  // two bytes: what the ranges need
      const char32_t code = change(static_cast<char32_t>((lead & 0x1f) << 6 | (utf8[++i] & 0x3f)));
      out += static_cast<char>(0xc0 | code >> 6);
      out += static_cast<char>(0x80 | (code & 0x3f));
    } else {
      out += utf8[i];
    }
  }
  return out;
}

}  // namespace

std::size_t CountCharacters(std::string_view utf8) {
  return static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), Begins));
}

std::size_t OffsetOfCharacter(std::string_view utf8, std::size_t index) {
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    if (Begins(utf8[i]) && index-- == 0) return i;
  }
  return utf8.size();
}

std::string ToLower(std::string_view utf8) {
  return Map(utf8, [](char32_t code) -> char32_t {
    for (const Range& range : kCapitals) {
      if (code >= range.first && code <= range.last) return code + range.step;
    }
    return code;
  });
}

std::string ToUpper(std::string_view utf8) {
  return Map(utf8, [](char32_t code) -> char32_t {
    for (const Range& range : kCapitals) {
      if (code >= range.first + range.step && code <= range.last + range.step) return code - range.step;
    }
    return code;
  });
}

std::string MendUtf8(std::string_view bytes) {
  if (IsUtf8(bytes)) return std::string(bytes);
  std::string out;
  for (std::size_t i = 0; i < bytes.size();) {
    std::size_t size = 1;
    for (; size <= 4 && i + size <= bytes.size(); ++size) {
      if (IsUtf8(bytes.substr(i, size))) break;
    }
    if (size <= 4 && i + size <= bytes.size()) {
      out += bytes.substr(i, size);
      i += size;
    } else {
      out += "\xef\xbf\xbd";
      ++i;
    }
  }
  return out;
}

}  // namespace penumbra::rules
