#include "base/ordered_json.hpp"

namespace penumbra {

Result<OrderedJson> ParseOrderedJson(std::string_view text) {
  // ParseJson is the judge, depth included; what it accepts cannot fail here.
  if (const Result<Json> checked = ParseJson(text); !checked) return Fail(checked.error());
  OrderedJson json = OrderedJson::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return Fail(Action::kGiveUp, "invalid JSON");
  return json;
}

}  // namespace penumbra
