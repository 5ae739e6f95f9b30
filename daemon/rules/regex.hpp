// Regular expressions as Java has them, near enough: Boost's Perl syntax. The only file that knows Boost.Regex. Pure.
// An expression that would take too long (nested repetitions over long text) is an error, not a hang.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace penumbra::rules {

inline constexpr std::size_t kMaxPatternBytes = 1024;

class Regex {
 public:
  // nullopt: not a regular expression.
  static std::optional<Regex> Compile(std::string_view pattern);
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;
  ~Regex();

  // Errors kGiveUp: takes too long.
  Result<bool> Finds(const std::string& text) const;
  Result<std::optional<std::string>> First(const std::string& text) const;
  // $1 in `replacement` is what the first group found. Error kGiveUp also when the result is larger than `max_bytes`.
  Result<std::string> Replace(const std::string& text, const std::string& replacement, std::size_t max_bytes) const;

 private:
  struct Implementation;
  explicit Regex(std::unique_ptr<Implementation> implementation);
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace penumbra::rules
