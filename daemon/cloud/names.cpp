#include "cloud/names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdint>

namespace penumbra::cloud {
namespace {

constexpr std::size_t kMarkLength = 9;  // '-' and eight hexadecimal digits

std::string Fitted(std::string_view name, std::size_t limit) {
  const auto plain = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-'; };
  if (name.size() <= limit && std::all_of(name.begin(), name.end(), plain)) return std::string(name);
  std::string fitted(name.substr(0, limit - kMarkLength));
  std::replace_if(
      fitted.begin(), fitted.end(), [&plain](char c) { return !plain(c); }, '-');
  return fmt::format("{}-{}", fitted, Mark(name));
}

}  // namespace

// FNV-1a, folded: nothing here has to withstand an attacker, it only has to stay the same for ever.
std::string Mark(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const unsigned char c : text) hash = (hash ^ c) * 0x100000001b3;
  return fmt::format("{:08x}", static_cast<std::uint32_t>(hash ^ (hash >> 32)));
}

std::string RoleName(const Settings& settings, std::string_view what) {
  const std::string& own = settings.gateway.thing;
  const std::string& gateway = own.empty() && !settings.things.empty() ? settings.things.front().name : own;
  const std::size_t around = std::string_view("penumbra--").size() + what.size();
  return fmt::format("penumbra-{}-{}", Fitted(gateway, kMaxRoleName - around), what);
}

}  // namespace penumbra::cloud
