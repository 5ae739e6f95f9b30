// UTF-8 text by characters (code points; Java counts some rare ones twice). Pure; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace penumbra::rules {

std::size_t CountCharacters(std::string_view utf8);
// Where character `index` begins in bytes; the end of the text if it has fewer.
std::size_t OffsetOfCharacter(std::string_view utf8, std::size_t index);
// Latin, Greek and Cyrillic letters; others stay.
std::string ToLower(std::string_view utf8);
std::string ToUpper(std::string_view utf8);
// Bytes that are not UTF-8 become U+FFFD.
std::string MendUtf8(std::string_view bytes);

}  // namespace penumbra::rules
