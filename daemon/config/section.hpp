// Reads the values of one table: what the user wrote where it is right, else the schema's default. Faults were reported
// by schema_check before; reading never reports. Every value read is noted with its origin. One thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/duration.hpp"
#include "config/config.hpp"
#include "config/node.hpp"

namespace penumbra {

class Section {
 public:
  // `table` may be nullptr (all defaults). `path`: key path of the table for origins, "thing.sensor-001".
  Section(const Node* table, const Json& schema, std::string path, std::vector<Origin>& origins);

  bool Has(std::string_view key) const { return Raw(key) != nullptr; }
  const Node* Raw(std::string_view key) const { return table_ == nullptr ? nullptr : table_->Find(key); }
  // Where to complain about `key`: its value, else the table.
  Place PlaceOf(std::string_view key) const;
  Section Sub(std::string_view key) const;

  // nullopt: not there, or not of this type, and no default.
  std::optional<std::string> Text(std::string_view key) const;
  std::optional<double> Number(std::string_view key) const;
  std::optional<std::int64_t> Integer(std::string_view key) const;
  std::optional<bool> Flag(std::string_view key) const;
  std::optional<Duration> Time(std::string_view key) const;
  std::optional<std::uint64_t> Size(std::string_view key) const;
  // Absolute; a relative one starts at `relative_to`, or at the folder of the file it stands in when that is empty.
  std::optional<std::filesystem::path> File(std::string_view key, const std::filesystem::path& relative_to = {}) const;
  // Notes a key that is read elsewhere (driver keys, lists).
  void Note(std::string_view key) const;
  // Notes a value that was worked out and stands nowhere.
  void NoteDefault(std::string_view key, std::string_view toml) const;

  const std::string& path() const { return path_; }

 private:
  Json Default(std::string_view key) const;
  void NoteSchemaDefault(std::string_view key) const;

  const Node* table_;
  const Json& schema_;  // part of the core schema, which lives as long as the program
  std::string path_;
  std::vector<Origin>& origins_;
};

}  // namespace penumbra
