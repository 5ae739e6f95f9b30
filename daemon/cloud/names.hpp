// Names of what one gateway needs in an account, where AWS wants them to be unique there and the configuration does not
// give them: each has the gateway's in it, so that several gateways live in one account. Pure; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "model/settings.hpp"

namespace penumbra::cloud {

inline constexpr std::size_t kMaxRoleName = 64;  // IAM: letters, digits and +=,.@_-

// "penumbra-gateway-01-rules", for `what` = "rules". A gateway without a thing goes by its first one. A thing's name
// that is too long, or has others than letters, digits and '-', is cut and gets a number made of the whole name, so
// that two names never become one.
std::string RoleName(const Settings& settings, std::string_view what);

// Eight hexadecimal digits made of the whole text, the same for ever: what tells apart names that had to be changed.
std::string Mark(std::string_view text);

}  // namespace penumbra::cloud
