#include "config/section.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/core_schema.hpp"

namespace penumbra {
namespace {

std::string OriginOf(const Place& place) {
  if (place.file != nullptr && !place.file->profile.empty()) {
    return fmt::format("profile {} ({})", place.file->profile, ToString(place));
  }
  return ToString(place);
}

const Json* PropertyOf(const Json& schema, std::string_view key) {
  const auto properties = schema.find("properties");
  if (properties == schema.end()) return nullptr;
  const auto it = properties->find(key);
  return it == properties->end() ? nullptr : &Resolve(*it);
}

std::filesystem::path Absolute(const std::string& text, const std::filesystem::path& relative_to) {
  const std::filesystem::path path(text);
  return (path.is_absolute() ? path : relative_to / path).lexically_normal();
}

}  // namespace

Section::Section(const Node* table, const Json& schema, std::string path, std::vector<Origin>& origins)
    : table_(table != nullptr && table->IsTable() ? table : nullptr),
      schema_(schema),
      path_(std::move(path)),
      origins_(origins) {}

Place Section::PlaceOf(std::string_view key) const {
  const Node* value = Raw(key);
  if (value != nullptr) return value->place;
  return table_ == nullptr ? Place{} : table_->place;
}

Section Section::Sub(std::string_view key) const {
  const Json* schema = PropertyOf(schema_, key);
  static const Json kNone = Json::object();
  return {Raw(key), schema == nullptr ? kNone : *schema, path_ + "." + std::string(key), origins_};
}

Json Section::Default(std::string_view key) const {
  const Json* schema = PropertyOf(schema_, key);
  if (schema == nullptr) return nullptr;
  const auto it = schema->find("default");
  return it == schema->end() ? Json(nullptr) : *it;
}

void Section::Note(std::string_view key) const {
  if (const Node* value = Raw(key)) {
    origins_.push_back({path_ + "." + std::string(key), ToToml(*value), OriginOf(value->place)});
  }
}

void Section::NoteDefault(std::string_view key, std::string_view toml) const {
  origins_.push_back({path_ + "." + std::string(key), std::string(toml), "default"});
}

void Section::NoteSchemaDefault(std::string_view key) const {
  const Json value = Default(key);
  if (!value.is_null()) NoteDefault(key, Dump(value));
}

std::optional<std::string> Section::Text(std::string_view key) const {
  const Node* value = Raw(key);
  if (value != nullptr && value->IsText()) {
    Note(key);
    return value->text;
  }
  NoteSchemaDefault(key);
  const Json fallback = Default(key);
  return fallback.is_string() ? std::optional(fallback.get<std::string>()) : std::nullopt;
}

std::optional<double> Section::Number(std::string_view key) const {
  const Node* value = Raw(key);
  if (value != nullptr && value->IsNumber()) {
    Note(key);
    return value->Number();
  }
  NoteSchemaDefault(key);
  const Json fallback = Default(key);
  return fallback.is_number() ? std::optional(fallback.get<double>()) : std::nullopt;
}

std::optional<std::int64_t> Section::Integer(std::string_view key) const {
  const Node* value = Raw(key);
  if (value != nullptr && value->kind == Node::Kind::kInteger) {
    Note(key);
    return value->integer;
  }
  NoteSchemaDefault(key);
  const Json fallback = Default(key);
  return fallback.is_number_integer() ? std::optional(fallback.get<std::int64_t>()) : std::nullopt;
}

std::optional<bool> Section::Flag(std::string_view key) const {
  const Node* value = Raw(key);
  if (value != nullptr && value->kind == Node::Kind::kBool) {
    Note(key);
    return value->boolean;
  }
  NoteSchemaDefault(key);
  const Json fallback = Default(key);
  return fallback.is_boolean() ? std::optional(fallback.get<bool>()) : std::nullopt;
}

std::optional<Duration> Section::Time(std::string_view key) const {
  const auto text = Text(key);
  if (!text) return std::nullopt;
  const auto value = ParseDuration(*text);
  return value ? std::optional<Duration>(*value) : std::nullopt;
}

std::optional<std::uint64_t> Section::Size(std::string_view key) const {
  const auto text = Text(key);
  if (!text) return std::nullopt;
  const auto value = ParseSize(*text);
  return value ? std::optional<std::uint64_t>(*value) : std::nullopt;
}

std::optional<std::filesystem::path> Section::File(std::string_view key,
                                                   const std::filesystem::path& relative_to) const {
  const Node* value = Raw(key);
  const auto text = Text(key);
  if (!text) return std::nullopt;
  if (!relative_to.empty() || value == nullptr || value->place.file == nullptr) return Absolute(*text, relative_to);
  return Absolute(*text, value->place.file->folder);
}

}  // namespace penumbra
