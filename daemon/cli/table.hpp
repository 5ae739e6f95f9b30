// Aligned tables of foreign text on a terminal or in a pipe. Pure; any thread.
// Safe against what a broker or a driver may have said: control characters (also the escape sequences of terminals) and
// bytes that are not UTF-8 are replaced. A character counts as one column wide, also the few that are not.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace penumbra::cli {

enum class Tone { kPlain, kGood, kWarning, kBad };

struct Style {
  bool color = false;
  std::size_t width = 0;  // columns of the terminal; 0: unlimited (a pipe)
};

struct Cell {
  std::string text;
  Tone tone = Tone::kPlain;
};

struct Column {
  std::string title;
  bool right = false;         // numbers
  std::size_t min_width = 0;  // for tables that grow by pages (--follow)
};

class Table {
 public:
  static constexpr std::size_t kMaxCell = 60;  // characters of any but the last column, on a terminal

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // As many cells as columns.
  void Row(std::vector<Cell> cells) { rows_.push_back(std::move(cells)); }
  bool empty() const { return rows_.empty(); }

  // Header and rows, a line each; without the header for the next page of a growing table.
  std::string Text(const Style& style, bool with_header = true) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

// Printable on one line: control characters and broken UTF-8 become "?" and U+FFFD.
std::string Printable(std::string_view text);
// In characters (code points).
std::size_t TextWidth(std::string_view utf8);
// At most `width` characters, with an ellipsis at the end when something was cut.
std::string Shorten(std::string_view utf8, std::size_t width);
std::string Paint(std::string text, Tone tone, const Style& style);

}  // namespace penumbra::cli
