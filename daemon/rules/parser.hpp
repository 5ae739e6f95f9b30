// Reads a rule of AWS IoT SQL 2016-03-23. Pure; any thread. Source: aws-iot-core.md section 8.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "rules/syntax.hpp"

namespace penumbra::rules {

inline constexpr std::size_t kMaxSqlBytes = 128 * 1024;  // AWS: a rule as JSON
inline constexpr int kMaxNesting = 64;                   // of parentheses, calls, nested queries
inline constexpr int kMaxDepth = 256;                    // of the tree: a chain of operators counts each
inline constexpr std::size_t kMaxVariables = 10;         // AWS: of SET

struct Parsed {
  Statement statement;
  std::optional<Error>
      only_cloud;  // kGiveUp: it is right, but calls a function that only the cloud has; which and where
  std::vector<std::string> notes;  // allowed, but hardly what was meant; one line each, with the place
};

// [SET @v = expression, ...] SELECT items [FROM 'topic/filter'] [WHERE condition]. Error kFixConfig: the place, what is
// wrong there, what to write instead.
Result<Parsed> ParseStatement(std::string_view sql);

// One expression, as in "${topic(2)}". Errors as above; kGiveUp: only_cloud.
Result<std::unique_ptr<Node>> ParseExpression(std::string_view text);

}  // namespace penumbra::rules
