#include "rules/function_table.hpp"

#include <array>

namespace penumbra::rules {
namespace {

constexpr std::size_t kCount = static_cast<std::size_t>(Function::kMachineLearningPredict) + 1;
using Implementations = std::array<Implementation, kCount>;

const Implementations& All() {
  static const Implementations kAll = [] {
    Implementations all{};
    for (const auto& group : {NumberFunctions(), TextFunctions(), DataFunctions(), FactFunctions()}) {
      for (const FunctionEntry& entry : group) all[static_cast<std::size_t>(entry.function)] = entry.run;
    }
    return all;
  }();
  return kAll;
}

}  // namespace

Value CallFunction(Function function, const Arguments& arguments, Environment& environment) {
  const Signature& signature = SignatureOf(function);
  const int count = static_cast<int>(arguments.size());
  if (count < signature.least || (signature.most >= 0 && count > signature.most)) return {};
  const Implementation run = All()[static_cast<std::size_t>(function)];
  return run == nullptr ? Value() : run(arguments, environment);
}

std::optional<std::string> TextOf(const Value& value, Environment& environment) {
  auto text = value.ToText();
  if (!text) return std::nullopt;
  environment.Charge(text->size() / 64);
  if (text->size() > kMaxTextBytes) {
    environment.Fail("text grew above 512 KiB");
    return std::nullopt;
  }
  return text;
}

}  // namespace penumbra::rules
