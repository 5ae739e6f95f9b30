#include "config/diagnostics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace penumbra {

void Diagnostics::Add(const Place& place, bool warning, std::string message) {
  if (!warning) ++errors_;
  if (Full()) {
    ++dropped_;
    dropped_errors_ = dropped_errors_ || !warning;
    return;
  }
  const bool known = place.file != nullptr;
  entries_.push_back({known ? place.file->order : 0,
                      {known ? place.file->name : "", place.line, place.column, warning, std::move(message)}});
}

std::vector<Diagnostic> Diagnostics::Sorted() const {
  std::vector<Entry> sorted = entries_;
  const auto key = [](const Entry& e) {
    return std::tie(e.order, e.diagnostic.line, e.diagnostic.column, e.diagnostic.warning, e.diagnostic.message);
  };
  std::stable_sort(sorted.begin(), sorted.end(), [&key](const Entry& a, const Entry& b) { return key(a) < key(b); });
  sorted.erase(
      std::unique(sorted.begin(), sorted.end(), [&key](const Entry& a, const Entry& b) { return key(a) == key(b); }),
      sorted.end());
  std::vector<Diagnostic> result;
  for (Entry& entry : sorted) result.push_back(std::move(entry.diagnostic));
  if (dropped_ > 0 && !result.empty()) {
    result.push_back({result.back().file, 0, 0, !dropped_errors_, fmt::format("and {} more", dropped_)});
  }
  return result;
}

std::string ToString(const Diagnostic& diagnostic) {
  const char* severity = diagnostic.warning ? "warning" : "error";
  if (diagnostic.line <= 0) return fmt::format("{}: {}: {}", diagnostic.file, severity, diagnostic.message);
  return fmt::format("{}:{}:{}: {}: {}", diagnostic.file, diagnostic.line, diagnostic.column, severity,
                     diagnostic.message);
}

}  // namespace penumbra
