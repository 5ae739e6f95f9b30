#include "store/dictionary.hpp"

#include <algorithm>

namespace penumbra {

std::optional<std::uint64_t> Dictionary::Intern(Kind kind, std::string_view text) {
  if (const auto known = IdOf(kind, text)) return known;
  Table& t = table(kind);
  const bool full = t.ids.size() >= kMaxEntries || text.size() > kMaxLength;
  if (kind != Kind::kThing && full) return std::nullopt;
  const std::uint64_t id = t.next;
  Load(kind, id, std::string(text));
  fresh_.push_back({kind, id, std::string(text)});
  return id;
}

const std::string* Dictionary::Find(Kind kind, std::uint64_t id) const {
  const auto it = table(kind).texts.find(id);
  return it == table(kind).texts.end() ? nullptr : &it->second;
}

std::optional<std::uint64_t> Dictionary::IdOf(Kind kind, std::string_view text) const {
  const auto it = table(kind).ids.find(std::string(text));
  if (it == table(kind).ids.end()) return std::nullopt;
  return it->second;
}

void Dictionary::Load(Kind kind, std::uint64_t id, std::string text) {
  Table& t = table(kind);
  t.next = std::max(t.next, id + 1);
  t.ids.emplace(text, id);
  t.texts.emplace(id, std::move(text));
}

}  // namespace penumbra
