#include "config/profile_list.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>

#include "config/core_schema.hpp"
#include "config/diagnostics.hpp"
#include "config/file_text.hpp"
#include "config/schema_check.hpp"
#include "config/toml_reader.hpp"

namespace penumbra {
namespace {

std::string TextOf(const Node* table, std::string_view key) {
  const Node* value = table != nullptr ? table->Find(key) : nullptr;
  return value != nullptr && value->IsText() ? value->text : std::string();
}

std::optional<double> NumberOf(const Node& table, std::string_view key) {
  const Node* value = table.Find(key);
  return value != nullptr && value->IsNumber() ? std::optional(value->Number()) : std::nullopt;
}

std::vector<double> NumbersOf(const Node& table, std::string_view key) {
  std::vector<double> numbers;
  const Node* list = table.Find(key);
  if (list == nullptr) return numbers;
  for (const Node& item : list->items) {
    if (item.IsNumber()) numbers.push_back(item.Number());
  }
  return numbers;
}

// The keys of a point that are its driver's.
Json PlaceOf(const Node& point) {
  const Json& core = CoreTable("point")["properties"];
  Json place = Json::object();
  for (const auto& [key, value] : point.members) {
    if (!core.contains(key)) place[key] = ToJson(value);
  }
  return place;
}

ProfileCheck CheckOf(const Node& match, const Node* points) {
  ProfileCheck check;
  check.point = TextOf(&match, "point");
  check.min = NumberOf(match, "min");
  check.max = NumberOf(match, "max");
  check.equals = NumbersOf(match, "equals");
  if (const Node* read = match.Find("read")) check.read = ToJson(*read);
  if (check.point.empty() || points == nullptr) return check;
  for (const Node& point : points->items) {
    if (TextOf(&point, "name") != check.point) continue;
    check.read = PlaceOf(point);
    check.scale = NumberOf(point, "scale").value_or(1);
    check.offset = NumberOf(point, "offset").value_or(0);
    check.excluded = NumbersOf(point, "invalid");
  }
  return check;
}

std::optional<ProfileSummary> Read(const std::filesystem::path& path) {
  std::deque<SourceFile> files;
  SourceFile& file = files.emplace_back();
  file.name = file.short_name = path.string();
  file.profile = path.stem().string();
  const auto text = ReadFileText(path);
  Diagnostics diagnostics;
  const auto root = text ? ParseToml(*text, file, diagnostics) : std::nullopt;
  if (!root) return std::nullopt;
  CheckTable(*root, {&CoreTable("profile_file")}, "a profile", diagnostics);
  if (diagnostics.errors() > 0) return std::nullopt;
  const Node* head = root->Find("profile");
  ProfileSummary summary{
      .name = path.stem().string(), .title = TextOf(head, "title"), .driver = TextOf(head, "driver"), .checks = {}};
  if (const Node* matches = root->Find("match")) {
    for (const Node& match : matches->items) summary.checks.push_back(CheckOf(match, root->Find("point")));
  }
  return summary;
}

}  // namespace

double ProfileCheck::Scaled(const Json& raw) const {
  const double value = raw.is_boolean() ? (raw.get<bool>() ? 1 : 0) : raw.is_number() ? raw.get<double>() : 0;
  return value * scale + offset;
}

bool ProfileCheck::Fits(const Json& raw) const {
  if (!raw.is_number() && !raw.is_boolean()) return false;
  const double value = Scaled(raw);
  const double number = (value - offset) / scale;
  const auto same = [number](double other) { return std::abs(other - number) < 1e-6 * std::max(1.0, std::abs(other)); };
  if (!std::isfinite(value) || std::ranges::any_of(excluded, same)) return false;
  if (!equals.empty() && std::ranges::none_of(equals, same)) return false;
  return (!min || value >= *min) && (!max || value <= *max);
}

std::vector<ProfileSummary> ListProfiles(const std::vector<std::filesystem::path>& folders) {
  std::map<std::string, std::filesystem::path> files;
  for (const std::filesystem::path& folder : folders) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
      if (entry.path().extension() == ".toml") files.emplace(entry.path().stem().string(), entry.path());
    }
  }
  std::vector<ProfileSummary> profiles;
  for (const auto& [name, path] : files) {
    if (auto profile = Read(path)) profiles.push_back(std::move(*profile));
  }
  return profiles;
}

}  // namespace penumbra
