#include "api/reload_report.hpp"

#include <utility>

namespace penumbra::api {
namespace {

OrderedJson Render(const SettingsChange& change) {
  OrderedJson json{{"table", change.table}, {"name", change.name}, {"change", ToString(change.kind)}};
  if (change.kind == SettingsChange::Kind::kChanged) {
    json["key"] = change.key;
    json["from"] = change.from;
    json["to"] = change.to;
  }
  json["effect"] = ToString(change.effect);
  return json;
}

OrderedJson Render(const Diagnostic& diagnostic) {
  return {{"file", diagnostic.file},
          {"line", diagnostic.line},
          {"column", diagnostic.column},
          {"severity", diagnostic.warning ? "warning" : "error"},
          {"message", diagnostic.message}};
}

}  // namespace

std::string_view ToString(ReloadReport::Outcome outcome) {
  using Outcome = ReloadReport::Outcome;
  switch (outcome) {
    case Outcome::kUnchanged:
      return "unchanged";
    case Outcome::kApplied:
      return "applied";
    case Outcome::kWouldApply:
      return "would_apply";
    case Outcome::kNeedsRestart:
      return "needs_restart";
    case Outcome::kWrong:
      return "wrong";
    case Outcome::kRolledBack:
      break;
  }
  return "rolled_back";
}

OrderedJson Render(const ReloadReport& report) {
  OrderedJson changes = OrderedJson::array();
  for (const SettingsChange& change : report.diff.changes) changes.push_back(Render(change));
  OrderedJson diagnostics = OrderedJson::array();
  for (const Diagnostic& diagnostic : report.diagnostics) diagnostics.push_back(Render(diagnostic));
  return {{"result", ToString(report.outcome)},
          {"file", report.file},
          {"reason", report.reason},
          {"changes", std::move(changes)},
          {"diagnostics", std::move(diagnostics)}};
}

}  // namespace penumbra::api
