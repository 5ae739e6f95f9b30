#include "cli/profile_import.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>

#include "app/driver_knowledge.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "cli/exit_code.hpp"
#include "cli/local_verbs.hpp"
#include "cli/output.hpp"
#include "cli/table.hpp"
#include "config/config.hpp"
#include "config/profile_list.hpp"

namespace penumbra::cli {
namespace {

// Columns in the order in which a point is written. `alias`: what others call it.
struct Field {
  enum class Kind { kName, kText, kAddress, kNumber, kNumbers };
  std::string_view key;
  std::string_view alias;
  Kind kind;
};
constexpr std::array<Field, 13> kFields{{{"name", "point", Field::Kind::kName},
                                         {"table", "register_type", Field::Kind::kText},
                                         {"address", "register", Field::Kind::kAddress},
                                         {"type", "data_type", Field::Kind::kText},
                                         {"order", "byte_order", Field::Kind::kText},
                                         {"length", "length", Field::Kind::kNumber},
                                         {"bit", "bit", Field::Kind::kNumber},
                                         {"scale", "factor", Field::Kind::kNumber},
                                         {"offset", "offset", Field::Kind::kNumber},
                                         {"unit", "units", Field::Kind::kText},
                                         {"invalid", "sentinel", Field::Kind::kNumbers},
                                         {"min", "minimum", Field::Kind::kNumber},
                                         {"max", "maximum", Field::Kind::kNumber}}};
constexpr std::string_view kIgnored[] = {"description", "comment", "note", "notes"};
constexpr std::size_t kMaxPoints = 1000;

struct Row {
  int line = 0;
  std::vector<std::string> cells;
};

Error At(int line, const std::string& what) {
  return {Action::kGiveUp, fmt::format("line {}: {}", line, what)};
}

std::string Trimmed(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return std::string(text);
}

char SeparatorOf(std::string_view csv) {
  const std::string_view header = csv.substr(0, csv.find('\n'));
  const auto count = [header](char c) { return std::count(header.begin(), header.end(), c); };
  if (count('\t') > 0 && count('\t') >= count(',')) return '\t';
  return count(';') > count(',') ? ';' : ',';
}

// RFC 4180: cells in quotation marks may hold separators, line ends and doubled quotation marks.
Result<std::vector<Row>> ParseCsv(std::string_view csv, char separator) {
  std::vector<Row> rows;
  std::string cell;
  Row row{.line = 1, .cells = {}};
  int line = 1;
  bool quoted = false;
  const auto end_row = [&] {
    row.cells.push_back(Trimmed(cell));
    cell.clear();
    const bool empty = std::ranges::all_of(row.cells, [](const std::string& c) { return c.empty(); });
    if (!empty) rows.push_back(std::move(row));
    row = {.line = line, .cells = {}};
  };
  for (std::size_t i = 0; i < csv.size(); ++i) {
    const char c = csv[i];
    if (c == '\n') ++line;
    if (quoted) {
      if (c != '"') {
        cell += c;
      } else if (i + 1 < csv.size() && csv[i + 1] == '"') {
        cell += '"';
        ++i;
      } else {
        quoted = false;
      }
    } else if (c == '"' && Trimmed(cell).empty()) {
      cell.clear();
      quoted = true;
    } else if (c == separator) {
      row.cells.push_back(Trimmed(cell));
      cell.clear();
    } else if (c == '\n') {
      end_row();
    } else {
      cell += c;
    }
  }
  if (quoted) return Fail(At(row.line, "a quotation mark is not closed"));
  end_row();
  return rows;
}

std::string Lowered(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c == ' ' || c == '-' ? '_' : c;
  return text;
}

// Which field each column is; nullptr: a column that is left out.
Result<std::vector<const Field*>> ColumnsOf(const Row& header) {
  std::vector<const Field*> columns;
  std::vector<std::string> names;
  for (const Field& field : kFields) names.emplace_back(field.key);
  for (const std::string& cell : header.cells) {
    const std::string title = Lowered(cell);
    const auto* field =
        std::ranges::find_if(kFields, [&](const Field& f) { return f.key == title || f.alias == title; });
    if (field != kFields.end()) {
      if (std::ranges::find(columns, field) != columns.end())
        return Fail(At(header.line, fmt::format("column {} is there twice", field->key)));
      columns.push_back(field);
    } else if (title.empty() || std::ranges::find(kIgnored, title) != std::end(kIgnored)) {
      columns.push_back(nullptr);
    } else {
      const auto near = Suggest(title, names);
      return Fail(
          At(header.line, fmt::format("\"{}\" is no column{}; there are {}, description", Printable(cell),
                                      near ? fmt::format(" (did you mean {}?)", *near) : "", fmt::join(names, ", "))));
    }
  }
  for (const std::string_view needed : {"name", "address"}) {
    const bool there =
        std::ranges::any_of(columns, [needed](const Field* f) { return f != nullptr && f->key == needed; });
    if (!there)
      return Fail(At(header.line, fmt::format("the first line names the columns, and there is no {}", needed)));
  }
  return columns;
}

// A TOML string; control characters have been refused.
std::string Quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

// A number as TOML writes it: decimal, or hexadecimal with 0x or a trailing h.
std::optional<std::string> NumberOf(std::string text, bool comma_is_point) {
  if (comma_is_point) std::ranges::replace(text, ',', '.');
  const bool trailing = text.size() > 1 && (text.back() == 'h' || text.back() == 'H');
  if (trailing) text = "0x" + text.substr(0, text.size() - 1);
  if (text.starts_with("0x") || text.starts_with("0X")) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data() + 2, text.data() + text.size(), value, 16);
    if (error != std::errc() || end != text.data() + text.size() || value > INT64_MAX) return std::nullopt;
    return std::to_string(value);
  }
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value > -1e18 && value < 1e18)) return std::nullopt;
  return text.find_first_of(".eE") == std::string::npos ? std::to_string(static_cast<std::int64_t>(value))
                                                        : NumberText(value);
}

// "40001" of a list without tables, and "00017", are entity numbers; anything else counts from 0.
bool IsEntity(const std::string& text, bool has_table) {
  const bool digits = !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || (text.size() != 5 && text.size() != 6)) return false;
  return text.front() == '0' || (!has_table && (text.front() == '1' || text.front() == '3' || text.front() == '4'));
}

std::string PointName(const std::string& cell) {
  std::string name;
  for (const char c : Lowered(cell)) {
    const bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    if (good)
      name += c;
    else if (!name.empty() && name.back() != '_')
      name += '_';
  }
  while (!name.empty() && name.back() == '_') name.pop_back();
  if (!name.empty() && name.front() >= '0' && name.front() <= '9') name = "p" + name;
  return name.substr(0, 64);
}

Result<std::string> NumbersOf(const std::string& cell, bool comma_is_point) {
  std::istringstream in(cell);
  std::string list;
  for (std::string word; in >> word;) {
    const auto number = NumberOf(word, comma_is_point);
    if (!number)
      return Fail(Action::kGiveUp,
                  fmt::format("\"{}\" is no number; several stand with spaces between", Printable(word)));
    list += (list.empty() ? "" : ", ") + *number;
  }
  return "[" + list + "]";
}

// The value as TOML.
Result<std::string> ValueOf(const Field& field, const std::string& cell, bool has_table, bool comma_is_point) {
  const auto no_number = [&] {
    return Fail(Action::kGiveUp, fmt::format("{} is \"{}\", which is no number", field.key, Printable(cell)));
  };
  switch (field.kind) {
    case Field::Kind::kName: {
      const std::string name = PointName(cell);
      if (name.empty())
        return Fail(Action::kGiveUp, fmt::format("\"{}\" holds nothing that can be a name", Printable(cell)));
      return Quote(name);
    }
    case Field::Kind::kAddress: {
      if (IsEntity(cell, has_table)) return Quote(cell);
      const auto number = NumberOf(cell, false);
      return number ? Result<std::string>(*number) : no_number();
    }
    case Field::Kind::kNumber: {
      const auto number = NumberOf(cell, comma_is_point);
      return number ? Result<std::string>(*number) : no_number();
    }
    case Field::Kind::kNumbers:
      return NumbersOf(cell, comma_is_point);
    case Field::Kind::kText:
      break;
  }
  const bool control = std::ranges::any_of(cell, [](unsigned char c) { return c < ' ' || c == 0x7F; });
  if (control || !IsUtf8(cell))
    return Fail(Action::kGiveUp, fmt::format("{} holds characters that cannot stand there", field.key));
  const bool word = field.key == "table" || field.key == "type";
  return Quote(word ? Lowered(cell) : cell);
}

Result<std::string> PointOf(const Row& row, const std::vector<const Field*>& columns, bool comma_is_point,
                            std::string& name) {
  std::array<std::string, kFields.size()> values;
  bool has_table = false;
  for (std::size_t i = 0; i < row.cells.size() && i < columns.size(); ++i) {
    has_table = has_table || (columns[i] != nullptr && columns[i]->key == "table" && !row.cells[i].empty());
  }
  for (std::size_t i = 0; i < row.cells.size(); ++i) {
    if (row.cells[i].empty()) continue;
    if (i >= columns.size()) return Fail(At(row.line, "more cells than there are columns"));
    if (columns[i] == nullptr) continue;
    const auto value = ValueOf(*columns[i], row.cells[i], has_table, comma_is_point);
    if (!value) return Fail(At(row.line, value.error().message));
    values[static_cast<std::size_t>(columns[i] - kFields.data())] = *value;
  }
  std::string toml;
  for (std::size_t i = 0; i < kFields.size(); ++i) {
    if (!values[i].empty()) toml += fmt::format("{} = {}\n", kFields[i].key, values[i]);
  }
  for (const std::size_t needed : {std::size_t{0}, std::size_t{2}}) {
    if (values[needed].empty()) return Fail(At(row.line, fmt::format("{} is missing", kFields[needed].key)));
  }
  name = values[0];
  return toml;
}

}  // namespace

Result<ImportedPoints> ImportPoints(std::string_view csv, std::string_view header) {
  if (csv.size() > kMaxImportBytes) return Fail(Action::kGiveUp, fmt::format("longer than {} bytes", kMaxImportBytes));
  if (csv.starts_with("\xEF\xBB\xBF")) csv.remove_prefix(3);
  const char separator = SeparatorOf(csv);
  const auto rows = ParseCsv(csv, separator);
  if (!rows) return Fail(rows.error());
  if (rows->size() < 2) return Fail(Action::kGiveUp, "a line that names the columns, and a line for each point");
  if (rows->size() > kMaxPoints + 1) return Fail(Action::kGiveUp, fmt::format("more than {} points", kMaxPoints));
  const auto columns = ColumnsOf(rows->front());
  if (!columns) return Fail(columns.error());
  ImportedPoints imported;
  std::set<std::string> names;
  for (std::size_t i = 1; i < rows->size(); ++i) {
    const Row& row = (*rows)[i];
    std::string name;
    const auto point = PointOf(row, *columns, separator == ';', name);
    if (!point) return Fail(point.error());
    if (!names.insert(name).second) return Fail(At(row.line, fmt::format("a point is already called {}", name)));
    const std::string block = fmt::format("{}[[{}]]\n{}", i > 1 ? "\n" : "", header, *point);
    imported.csv_line.insert(imported.csv_line.end(), static_cast<std::size_t>(std::ranges::count(block, '\n')),
                             row.line);
    imported.toml += block;
  }
  return imported;
}

namespace {

// What the checker and the Modbus driver say of the points, with the lines of the list. True: nothing is wrong.
bool JudgePoints(const Invocation& invocation, const std::string& csv, const std::string& file) {
  const auto points = ImportPoints(csv, "thing.point");
  const auto paths = FindPaths(invocation);
  if (!points || !paths) return false;
  const std::string head = fmt::format(
      "[paths]\ndrivers = {}\ndriver_host = {}\n[[bus]]\nname = \"b\"\ndriver = \"modbus\"\nhost = \"localhost\"\n"
      "[[thing]]\nname = \"t\"\nbus = \"b\"\n",
      Quote(paths->drivers.string()), Quote(paths->driver_host.string()));
  const int head_lines = static_cast<int>(std::ranges::count(head, '\n'));
  bool right = true;
  for (const Diagnostic& fault : LoadConfigText(head + points->toml, file, AskDrivers()).diagnostics) {
    if (fault.warning) continue;
    const auto index = static_cast<std::size_t>(fault.line - head_lines - 1);
    const bool known = fault.line > head_lines && index < points->csv_line.size();
    Complain(known ? fmt::format("{}:{}: {}", file, points->csv_line[index], fault.message)
                   : fmt::format("{}: {}", file, fault.message));
    right = false;
  }
  return right;
}

int Import(const Invocation& invocation) {
  const std::string& file = invocation.words[1];
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  if (!in) {
    Complain(ErrnoMessage("cannot read " + file, errno));
    return kExitFailed;
  }
  text << in.rdbuf();
  const auto points = ImportPoints(text.str(), "point");
  if (!points) {
    Complain(points.error().WithContext(file));
    return kExitFailed;
  }
  if (!JudgePoints(invocation, text.str(), file)) return kExitFailed;
  const std::filesystem::path path = file;
  const std::string name = invocation.words.size() > 2 ? invocation.words[2] : Lowered(path.stem().string());
  if (!IsThingName(name, 64)) {
    Complain(fmt::format("\"{}\" cannot be the name of a profile; say one: penumbra profile import {} NAME",
                         Printable(name), file));
    return kExitUsage;
  }
  Print(fmt::format(
      "# Imported from {}. Keep it as {}.toml in the configuration's folder profiles/.\n\n[profile]\nname = {}\n"
      "driver = \"modbus\"\nsource = [{}]\n\n{}",
      Printable(path.filename().string()), name, Quote(name), Quote(Printable(path.filename().string())),
      points->toml));
  return kExitOk;
}

int List(const Invocation& invocation) {
  const auto paths = FindPaths(invocation);
  if (!paths) return kExitConfig;
  const std::filesystem::path own = std::filesystem::path(ConfigFile(invocation)).parent_path() / "profiles";
  Json rows = Json::array();
  Table table({{"PROFILE"}, {"DRIVER"}, {"RECOGNISED"}, {"WHAT IT IS"}});
  for (const ProfileSummary& profile : ListProfiles({own, paths->profiles})) {
    const bool recognised = !profile.checks.empty();
    rows.push_back(
        {{"profile", profile.name}, {"driver", profile.driver}, {"title", profile.title}, {"recognised", recognised}});
    table.Row({{profile.name}, {profile.driver}, {recognised ? "yes" : "-"}, {profile.title}});
  }
  Print(invocation.json ? Dump(Json{{"profiles", std::move(rows)}}) + "\n"
        : table.empty() ? "there are no profiles\n"
                        : table.Text(OutputStyle(invocation.no_color)));
  return kExitOk;
}

}  // namespace

int Profile(const Invocation& invocation) {
  const std::vector<std::string>& words = invocation.words;
  if (words[0] == "list" && words.size() == 1) return List(invocation);
  if (words[0] == "import" && words.size() >= 2) return Import(invocation);
  Complain("usage: penumbra profile list, or penumbra profile import FILE.csv [NAME]");
  return kExitUsage;
}

}  // namespace penumbra::cli
