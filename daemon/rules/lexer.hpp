// The words of a rule's text. Pure; any thread. Source: AWS IoT developer guide, "Literals"; aws-iot-core.md section 8.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace penumbra::rules {

struct Token {
  enum class Kind { kWord, kVariable, kNumber, kText, kSymbol, kEnd };
  Kind kind = Kind::kEnd;
  std::string text;        // of kText without its quotes
  std::size_t offset = 0;  // in the rule's text
};

// The last token is kEnd. Error kFixConfig, with the place: a character that the language does not have, text without
// an end, bytes that are not UTF-8.
Result<std::vector<Token>> Tokens(std::string_view sql);

// "line 2, column 5: what", or "column 5: what" of a text that has one line.
Error FaultAt(std::string_view sql, std::size_t offset, std::string_view what);

}  // namespace penumbra::rules
