// ParseJson for what people will read: members of objects stay in the order of the text.
#pragma once

#include <string_view>

#include "base/json.hpp"

namespace penumbra {

// As strict as ParseJson, with the same error.
Result<OrderedJson> ParseOrderedJson(std::string_view text);

}  // namespace penumbra
