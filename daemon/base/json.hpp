// JSON access. nlohmann::json keeps 64-bit integers exact and throws only in At()-style access, which we do not use:
// Parse never throws, and the readers below answer nullopt for a missing key or a wrong type.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace penumbra {

using Json = nlohmann::json;
// Keeps the order of insertion: for what people read.
using OrderedJson = nlohmann::ordered_json;

// Deepest nesting accepted from outside; nlohmann's parser recurses on destruction and copying.
inline constexpr int kMaxJsonDepth = 64;

// Strict JSON (no comments, no NaN, UTF-8, at most kMaxJsonDepth levels). Error: kGiveUp with the byte position.
Result<Json> ParseJson(std::string_view text);

// One line without spaces. Bytes that are not UTF-8 become U+FFFD instead of throwing.
std::string Dump(const Json& json);

// Members of an object, or nullopt when the key is missing, has another type, or does not fit.
std::optional<std::string> GetString(const Json& object, std::string_view key);
std::optional<std::int64_t> GetInt(const Json& object, std::string_view key);
std::optional<double> GetNumber(const Json& object, std::string_view key);
std::optional<bool> GetBool(const Json& object, std::string_view key);

}  // namespace penumbra
