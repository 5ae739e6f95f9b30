// The words that every journal row would otherwise repeat: thing names, lists of point names, boot ids, reasons. A row
// holds their numbers; the tables `thing`, `point_set` and `word` hold the text.
// Deliberately bounded: words beyond the limits stay inline in the row, so that a driver that invents reasons cannot
// grow the store's memory. No I/O; new entries wait in `fresh()` for the transaction that first uses them.
// Thread: the store thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace penumbra {

class Dictionary {
 public:
  static constexpr std::size_t kMaxEntries = 4096;  // of each kind but things
  static constexpr std::size_t kMaxLength = 1024;   // bytes of one entry; longer ones stay inline

  enum class Kind { kThing, kWord, kPointSet };

  // The number of `text`, given to it now if need be; nullopt: not taken (limits above), write it inline.
  std::optional<std::uint64_t> Intern(Kind kind, std::string_view text);
  // The text of a number, nullptr when there is none.
  const std::string* Find(Kind kind, std::uint64_t id) const;
  // The number of a text that is already known.
  std::optional<std::uint64_t> IdOf(Kind kind, std::string_view text) const;
  const std::unordered_map<std::uint64_t, std::string>& texts(Kind kind) const { return table(kind).texts; }
  std::size_t size() const { return tables_[0].texts.size() + tables_[1].texts.size() + tables_[2].texts.size(); }
  // As read from the database. A number that is known keeps its text.
  void Load(Kind kind, std::uint64_t id, std::string text);

  struct Entry {
    Kind kind;
    std::uint64_t id;
    std::string text;
  };
  // Entries since the last call: the caller writes them in the transaction that uses them.
  std::vector<Entry> TakeFresh() { return std::exchange(fresh_, {}); }

 private:
  struct Table {
    std::unordered_map<std::string, std::uint64_t> ids;
    std::unordered_map<std::uint64_t, std::string> texts;
    std::uint64_t next = 1;
  };
  Table& table(Kind kind) { return tables_[static_cast<std::size_t>(kind)]; }
  const Table& table(Kind kind) const { return tables_[static_cast<std::size_t>(kind)]; }

  Table tables_[3];
  std::vector<Entry> fresh_;
};

}  // namespace penumbra
