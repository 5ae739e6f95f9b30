#include "config/profiles.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "base/text.hpp"
#include "config/core_schema.hpp"
#include "config/file_text.hpp"
#include "config/schema_check.hpp"
#include "config/toml_reader.hpp"

namespace penumbra {
namespace {

constexpr std::string_view kEnding = ".toml";
constexpr std::size_t kMostNamesListed = 20;

// A profile describes a kind of device; these say which one.
constexpr std::string_view kOwnKeys[] = {"name",  "bus",         "profile",     "attributes", "groups",
                                         "topic", "certificate", "private_key", "point"};

std::string NameOf(const Node& table) {
  const Node* name = table.Find("name");
  return name != nullptr && name->IsText() ? name->text : std::string();
}

void MergePoints(Node& base, Node over) {
  for (Node& point : over.items) {
    const std::string name = NameOf(point);
    const auto known = std::find_if(base.items.begin(), base.items.end(), [&name](const Node& candidate) {
      return !name.empty() && candidate.place.file != nullptr && !candidate.place.file->profile.empty() &&
             NameOf(candidate) == name;
    });
    if (known == base.items.end() || !point.IsTable()) {
      base.items.push_back(std::move(point));
    } else {
      known->place = point.place;  // a second override of the same point is then seen as a duplicate
      known->key_place = point.key_place;
      Merge(*known, std::move(point));
    }
  }
}

}  // namespace

Profiles::Profiles(std::vector<std::filesystem::path> folders, std::deque<SourceFile>& files, Diagnostics& diagnostics)
    : folders_(std::move(folders)), files_(files), diagnostics_(diagnostics) {}

std::optional<Node> Profiles::Apply(const Node& thing) {
  const Node* name = thing.Find("profile");
  if (name == nullptr || !name->IsText()) return thing;
  const Profile* profile = Get(*name);
  if (profile == nullptr) return std::nullopt;
  Node merged = profile->thing;
  Node own = thing;
  Node points;
  const auto own_points = own.members.find("point");
  if (own_points != own.members.end() && own_points->second.kind == Node::Kind::kArray) {
    points = std::move(own_points->second);
    own.members.erase(own_points);
  }
  merged.place = thing.place;
  merged.key_place = thing.key_place;
  Merge(merged, std::move(own));
  Node& all = merged.members.try_emplace("point", Node{}).first->second;
  if (all.kind != Node::Kind::kArray) {
    all = Node{};
    all.kind = Node::Kind::kArray;
    all.place = all.key_place = thing.place;
  }
  MergePoints(all, std::move(points));
  return merged;
}

std::optional<std::string> Profiles::DriverOf(const Node& thing) const {
  const Node* name = thing.Find("profile");
  if (name == nullptr || !name->IsText()) return std::nullopt;
  const auto it = read_.find(name->text);
  if (it == read_.end() || it->second.broken || it->second.driver.empty()) return std::nullopt;
  return it->second.driver;
}

const Profiles::Profile* Profiles::Get(const Node& name) {
  auto it = read_.find(name.text);
  if (it == read_.end()) {
    const auto path = Find(name.text);
    if (!path) {
      diagnostics_.Error(name.place, UnknownMessage(name.text));
      return nullptr;
    }
    it = read_.emplace(name.text, Read(name.text, *path)).first;
  }
  if (!it->second.broken) return &it->second;
  diagnostics_.Error(name.place,
                     fmt::format("profile {} cannot be used; its own faults are listed below", Quoted(name.text)));
  return nullptr;
}

std::optional<std::filesystem::path> Profiles::Find(const std::string& name) const {
  // Names come from the configuration and must stay in the folder.
  if (name.empty() || name.front() == '.' || name.size() > 64 || name.find('/') != std::string::npos ||
      name.find('\0') != std::string::npos) {
    return std::nullopt;
  }
  for (const std::filesystem::path& folder : folders_) {
    std::error_code ignored;
    const std::filesystem::path path = folder / (name + std::string(kEnding));
    if (std::filesystem::is_regular_file(path, ignored)) return path;
  }
  return std::nullopt;
}

std::string Profiles::UnknownMessage(const std::string& name) const {
  std::vector<std::string> known;
  for (const std::filesystem::path& folder : folders_) {
    std::error_code ec;
    for (const auto& entry : std::filesystem::directory_iterator(folder, ec)) {
      if (entry.path().extension() == kEnding) known.push_back(entry.path().stem().string());
    }
  }
  std::sort(known.begin(), known.end());
  known.erase(std::unique(known.begin(), known.end()), known.end());
  std::string message = fmt::format("there is no profile {}", Quoted(name));
  const auto near = name.size() <= 64 ? Suggest(name, known) : std::nullopt;
  if (near) {
    message += fmt::format("; did you mean \"{}\"?", *near);
  } else if (known.empty()) {
    std::vector<std::string> folders;
    for (const auto& folder : folders_) folders.push_back(folder.string());
    message += fmt::format("; no profiles in {}", fmt::join(folders, " or "));
  } else {
    if (known.size() > kMostNamesListed) known.resize(kMostNamesListed);
    message += fmt::format("; there are {}", fmt::join(known, ", "));
  }
  return message;
}

void Profiles::CheckThing(const Node& thing) {
  for (const std::string_view key : kOwnKeys) {
    if (const Node* value = thing.Find(key)) {
      diagnostics_.Error(value->key_place, fmt::format("{} does not belong in a profile; {}", key,
                                                       key == "point" ? "write [[point]]" : "each thing says its own"));
    }
  }
}

// A rule that cannot be kept, or that every device keeps, would suggest a wrong profile.
void Profiles::CheckMatches(const Node& root) {
  const Node* matches = root.Find("match");
  const Node* points = root.Find("point");
  if (matches == nullptr) return;
  for (const Node& match : matches->items) {
    const Node* point = match.Find("point");
    if ((point != nullptr) == (match.Find("read") != nullptr)) {
      diagnostics_.Error(match.place, "[[match]] says which value it is about: either point or read");
    }
    if (match.Find("equals") == nullptr && (match.Find("min") == nullptr || match.Find("max") == nullptr)) {
      diagnostics_.Error(match.place, "[[match]] needs equals, or min and max");
    }
    if (point == nullptr || !point->IsText()) continue;
    const bool known = points != nullptr && std::any_of(points->items.begin(), points->items.end(),
                                                        [&](const Node& p) { return NameOf(p) == point->text; });
    if (!known) diagnostics_.Error(point->place, fmt::format("the profile has no point {}", Quoted(point->text)));
  }
}

Profiles::Profile Profiles::Read(const std::string& name, const std::filesystem::path& path) {
  Profile profile;
  profile.broken = true;
  SourceFile& file = files_.emplace_back();
  file = {path.string(), path.filename().string(), path.parent_path(), name, static_cast<int>(files_.size()) - 1};
  const auto text = ReadFileText(path);
  if (!text) {
    diagnostics_.Error({&file, 0, 0}, text.error().message);
    return profile;
  }
  std::optional<Node> root = ParseToml(*text, file, diagnostics_);
  if (!root) return profile;
  const std::size_t before = diagnostics_.errors();
  CheckTable(*root, {&CoreTable("profile_file")}, "a profile", diagnostics_);
  const auto take = [&root](std::string_view key) {
    const auto it = root->members.find(key);
    return it == root->members.end() ? Node{} : std::move(it->second);
  };
  const Node head = take("profile");
  if (const Node* own_name = head.Find("name"); own_name != nullptr && own_name->IsText() && own_name->text != name) {
    diagnostics_.Error(own_name->place, fmt::format("the profile is called {} but its file {}; make them the same",
                                                    Quoted(own_name->text), path.filename().string()));
  }
  if (const Node* driver = head.Find("driver"); driver != nullptr && driver->IsText()) profile.driver = driver->text;
  profile.thing = take("thing");
  CheckThing(profile.thing);
  CheckMatches(*root);
  if (root->Find("point") != nullptr) profile.thing.members.insert_or_assign("point", take("point"));
  profile.broken = diagnostics_.errors() != before;
  return profile;
}

}  // namespace penumbra
