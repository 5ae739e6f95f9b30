// What the datasheet says, as pure functions: from the bytes of the device to a value, and nothing else. Cite the section.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>

namespace @NAME@ {

// Example: a file that holds a whole number of thousandths. nullopt: it does not.
inline std::optional<double> Thousandths(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return static_cast<double>(value) / 1000;
}

}  // namespace @NAME@
