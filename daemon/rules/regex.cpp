// How far a match may search before it is given up: about 10 ms.
#define BOOST_REGEX_MAX_STATE_COUNT 1000000
#include "rules/regex.hpp"

#include <boost/regex.hpp>
#include <stdexcept>

namespace penumbra::rules {
namespace {

Error TooLong(const std::exception& e) {
  return {Action::kGiveUp, std::string("the regular expression takes too long: ") + e.what()};
}

}  // namespace

struct Regex::Implementation {
  boost::regex regex;
};

Regex::Regex(std::unique_ptr<Implementation> implementation) : implementation_(std::move(implementation)) {}
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
Regex::~Regex() = default;

std::optional<Regex> Regex::Compile(std::string_view pattern) {
  if (pattern.size() > kMaxPatternBytes) return std::nullopt;
  try {
    auto implementation = std::make_unique<Implementation>();
    implementation->regex.assign(pattern.begin(), pattern.end(), boost::regex::perl);
    return Regex(std::move(implementation));
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

Result<bool> Regex::Finds(const std::string& text) const {
  try {
    return boost::regex_search(text, implementation_->regex);
  } catch (const std::exception& e) {
    return Fail(TooLong(e));
  }
}

Result<std::optional<std::string>> Regex::First(const std::string& text) const {
  try {
    boost::smatch match;
    if (!boost::regex_search(text, match, implementation_->regex)) return std::nullopt;
    return match.str(0);
  } catch (const std::exception& e) {
    return Fail(TooLong(e));
  }
}

Result<std::string> Regex::Replace(const std::string& text, const std::string& replacement,
                                   std::size_t max_bytes) const {
  try {
    std::string out;
    auto behind = text.begin();
    for (boost::sregex_iterator match(text.begin(), text.end(), implementation_->regex), end; match != end; ++match) {
      out.append(behind, (*match)[0].first);
      out += match->format(replacement, boost::format_perl);
      behind = (*match)[0].second;
      if (out.size() > max_bytes) return Fail(Action::kGiveUp, "text grew above 512 KiB");
    }
    out.append(behind, text.end());
    return out;
  } catch (const std::exception& e) {
    return Fail(TooLong(e));
  }
}

}  // namespace penumbra::rules
