#include "config/points.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "config/core_schema.hpp"
#include "config/value_text.hpp"
#include "model/convert.hpp"

namespace penumbra {
namespace {

void CheckRange(const Section& section, const std::optional<double>& min, const std::optional<double>& max,
                std::string_view what, Diagnostics& diagnostics) {
  if (min && max && *min > *max) {
    diagnostics.Error(section.PlaceOf("min"),
                      fmt::format("{}min = {} is above max = {}; swap them", what, NumberText(*min), NumberText(*max)));
  }
}

ReportPolicy ReadReport(const Section& section, Diagnostics& diagnostics) {
  ReportPolicy report;
  if (const Node* raw = section.Raw("deadband"); raw != nullptr && raw->IsText()) {
    report.deadband = ParsePercent(raw->text).value_or(0);
    report.deadband_percent = true;
    section.Note("deadband");
  } else {
    report.deadband = section.Number("deadband").value_or(report.deadband);
  }
  report.max_silence = section.Time("max_silence").value_or(report.max_silence);
  report.min_interval = section.Time("min_interval").value_or(report.min_interval);
  if (report.max_silence > Duration::zero() && report.min_interval > report.max_silence) {
    diagnostics.Error(section.PlaceOf("min_interval"),
                      fmt::format("min_interval = \"{}\" is longer than max_silence = \"{}\"; a report cannot be both "
                                  "due and too early",
                                  FormatDuration(report.min_interval), FormatDuration(report.max_silence)));
  }
  return report;
}

WritePolicy ReadWritable(const Section& section, Diagnostics& diagnostics) {
  WritePolicy writable;
  writable.min = section.Number("min");
  writable.max = section.Number("max");
  writable.step = section.Number("step");
  writable.ttl = section.Time("ttl").value_or(writable.ttl);
  writable.verify = section.Flag("verify").value_or(writable.verify);
  CheckRange(section, writable.min, writable.max, "writable: ", diagnostics);
  return writable;
}

void ReadScale(const Section& section, PointSettings& point, Diagnostics& diagnostics) {
  point.scaled = section.Has("scale") || section.Has("offset");
  point.scale = section.Number("scale").value_or(point.scale);
  point.offset = section.Number("offset").value_or(point.offset);
  if (point.scale == 0) {
    diagnostics.Error(section.PlaceOf("scale"), "scale = 0 makes every value the same; write a factor such as 0.1");
  }
  if (point.scaled) point.decimals = std::max(DecimalsOf(point.scale), DecimalsOf(point.offset));
}

// The ways in which people write what UCUM spells differently. Only what is certain.
void CheckUnit(const Section& section, const std::string& unit, Diagnostics& diagnostics) {
  static constexpr std::pair<std::string_view, std::string_view> kSlips[] = {
      {"\u00b0C", "Cel"},    {"C", "Cel"},       {"degC", "Cel"}, {"Celsius", "Cel"}, {"celsius", "Cel"},
      {"\u00b0F", "[degF]"}, {"degF", "[degF]"}, {"%RH", "%"},    {"kWh", "kW.h"},    {"Wh", "W.h"}};
  for (const auto& [slip, ucum] : kSlips) {
    if (unit == slip) {
      diagnostics.Warning(section.PlaceOf("unit"), fmt::format("unit \"{}\" is not UCUM; write \"{}\"", slip, ucum));
    }
  }
}

}  // namespace

std::optional<std::string> ReservedFor(std::string_view name) {
  static constexpr std::pair<std::string_view, std::string_view> kReserved[] = {
      {"device_id", "the thing's name in every message"},
      {"timestamp", "the time of measurement in every message"},
      {"seq", "the number of the reading in every message"},
      {"bad", "the points that could not be read, in every message"},
      {"time", "the quality of the time in every message"},
      {"sample_interval", "the thing's poll interval in its shadow"},
      {"status", "the thing's state in its shadow"},
      {"refused", "the refused values in the thing's shadow"}};
  for (const auto& [reserved, purpose] : kReserved) {
    if (name == reserved) return std::string(purpose);
  }
  return std::nullopt;
}

PointSettings ReadPoint(const Node& table, const std::string& path, Diagnostics& diagnostics,
                        std::vector<Origin>& origins) {
  PointSettings point;
  const Section section(&table, CoreTable("point"), path, origins);
  if (const Node* name = section.Raw("name"); name != nullptr && name->IsText()) point.name = name->text;
  if (const auto purpose = ReservedFor(point.name)) {
    diagnostics.Error(section.PlaceOf("name"),
                      fmt::format("a point cannot be called \"{}\": that is {}; choose another "
                                  "name",
                                  point.name, *purpose));
  }
  ReadScale(section, point, diagnostics);
  point.unit = section.Text("unit").value_or("");
  CheckUnit(section, point.unit, diagnostics);
  point.min = section.Number("min");
  point.max = section.Number("max");
  CheckRange(section, point.min, point.max, "", diagnostics);
  if (const Node* invalid = section.Raw("invalid"); invalid != nullptr && invalid->kind == Node::Kind::kArray) {
    for (const Node& item : invalid->items) {
      if (item.IsNumber()) point.invalid.push_back(item.Number());
    }
    section.Note("invalid");
  }
  point.report = ReadReport(section.Sub("report"), diagnostics);
  if (const Node* writable = section.Raw("writable"); writable != nullptr && writable->IsTable()) {
    point.writable = ReadWritable(section.Sub("writable"), diagnostics);
  }
  return point;
}

}  // namespace penumbra
