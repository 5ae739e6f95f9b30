// What the shadow service says, as JSON. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.hpp"

namespace penumbra::shadow {

// The payload of any message of the service. The cloud keeps numbers that no double holds (1e400 is JSON), our parser
// refuses them, and a document that can never be read would stop the shadow for good: such a number is read as its
// text, which no point takes for a number. Error: no JSON.
Result<Json> ParseMessage(std::string_view payload);

// Why it refused, which goes into the log and is shown: at most 200 bytes, whole characters; empty: it does not say.
std::string MessageOf(const Json& body);

// The document's version that a message speaks of; 0: of none.
std::int64_t VersionOf(const Json& body);

}  // namespace penumbra::shadow
