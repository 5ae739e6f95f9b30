#include "cli/table.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "base/text.hpp"

namespace penumbra::cli {
namespace {

constexpr std::size_t kGap = 2;
constexpr std::size_t kLeastLast = 12;  // the last column is not cut below this, rather the terminal wraps

bool IsContinuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

// C0, DEL, and C1 as two bytes of UTF-8 (C2 80..9F): some terminals act on all of them.
bool IsControlAt(std::string_view text, std::size_t i) {
  const auto c = static_cast<unsigned char>(text[i]);
  if (c < 0x20 || c == 0x7F) return true;
  return c == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
}

// Broken UTF-8 replaced, by the JSON library's own rules.
std::string ValidUtf8(std::string_view text) {
  if (IsUtf8(text)) return std::string(text);
  const auto repaired = ParseJson(Dump(Json(std::string(text))));
  return repaired && repaired->is_string() ? repaired->get<std::string>() : std::string("?");
}

std::string Pad(const Cell& cell, std::size_t width, bool right, bool last, const Style& style) {
  const std::size_t used = TextWidth(cell.text);
  const std::string spaces(used < width ? width - used : 0, ' ');
  const std::string text = Paint(cell.text, cell.tone, style);
  if (right) return spaces + text;
  return last ? text : text + spaces;
}

}  // namespace

std::string Printable(std::string_view text) {
  const std::string valid = ValidUtf8(text);
  std::string out;
  for (std::size_t i = 0; i < valid.size(); ++i) {
    if (!IsControlAt(valid, i)) {
      out += valid[i];
      continue;
    }
    out += '?';
    if (static_cast<unsigned char>(valid[i]) == 0xC2) ++i;
  }
  return out;
}

std::size_t TextWidth(std::string_view utf8) {
  return static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) { return !IsContinuation(c); }));
}

std::string Shorten(std::string_view utf8, std::size_t width) {
  if (TextWidth(utf8) <= width) return std::string(utf8);
  if (width == 0) return {};
  std::size_t end = 0;
  for (std::size_t kept = 0; end < utf8.size(); ++end) {
    if (!IsContinuation(utf8[end]) && ++kept == width) break;
  }
  return std::string(utf8.substr(0, end)) + "…";
}

std::string Paint(std::string text, Tone tone, const Style& style) {
  if (!style.color || tone == Tone::kPlain || text.empty()) return text;
  const char* code = tone == Tone::kGood ? "\033[32m" : tone == Tone::kWarning ? "\033[33m" : "\033[31m";
  return code + text + "\033[0m";
}

std::string Table::Text(const Style& style, bool with_header) const {
  std::vector<std::vector<Cell>> lines;
  if (with_header) {
    std::vector<Cell>& header = lines.emplace_back();
    for (const Column& column : columns_) header.push_back({column.title});
  }
  for (const auto& row : rows_) {
    std::vector<Cell>& line = lines.emplace_back();
    for (const Cell& cell : row) line.push_back({Printable(cell.text), cell.tone});
  }
  const std::size_t last = columns_.size() - 1;
  std::vector<std::size_t> widths;
  std::size_t before_last = 0;
  for (std::size_t c = 0; c <= last; ++c) {
    std::size_t width = columns_[c].min_width;
    for (auto& line : lines) {
      if (style.width != 0 && c != last) line[c].text = Shorten(line[c].text, kMaxCell);
      width = std::max(width, TextWidth(line[c].text));
    }
    widths.push_back(width);
    if (c != last) before_last += width + kGap;
  }
  std::string out;
  for (auto& line : lines) {
    if (style.width != 0) {
      const std::size_t room = style.width > before_last ? style.width - before_last : 0;
      line[last].text = Shorten(line[last].text, std::max(room, kLeastLast));
    }
    std::string text;
    for (std::size_t c = 0; c <= last; ++c) {
      text += Pad(line[c], widths[c], columns_[c].right, c == last, style);
      if (c != last) text.append(kGap, ' ');
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + '\n';
  }
  return out;
}

}  // namespace penumbra::cli
