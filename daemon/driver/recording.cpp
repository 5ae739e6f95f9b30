#include "driver/recording.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <optional>

#include "base/log.hpp"

namespace penumbra {
namespace {

constexpr std::array<std::pair<std::string_view, RecordedFrame::Kind>, 4> kKinds{
    {{"sent", RecordedFrame::Kind::kSent},
     {"received", RecordedFrame::Kind::kReceived},
     {"stale", RecordedFrame::Kind::kStale},
     {"note", RecordedFrame::Kind::kNote}}};
constexpr int kVersion = 1;
constexpr const char* kVersionKey = "penumbra_recording";
constexpr const char* kExtension = ".jsonl";

std::optional<std::string> FromHex(std::string_view hex) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
  };
  if (hex.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const int high = digit(hex[i]);
    const int low = digit(hex[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes += static_cast<char>(high * 16 + low);
  }
  return bytes;
}

bool ParseFrame(const Json& json, RecordedFrame& frame) {
  const auto name = GetString(json, "kind");
  const auto kind = std::ranges::find_if(kKinds, [&](const auto& known) { return name == known.first; });
  const auto at = GetInt(json, "at_ns");
  if (kind == kKinds.end() || !at) return false;
  frame.kind = kind->second;
  frame.at_ns = *at;
  const bool note = frame.kind == RecordedFrame::Kind::kNote;
  const auto text = GetString(json, note ? "text" : "hex");
  const auto bytes = !text ? std::nullopt : note ? text : FromHex(*text);
  if (bytes) frame.bytes = *bytes;
  return bytes.has_value();
}

std::string DumpOrdered(const OrderedJson& json) {
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

using FileTime = std::filesystem::file_time_type;
using DatedFiles = std::vector<std::pair<FileTime, std::filesystem::path>>;

// The oldest first: names end in the time, but begin with the bus.
DatedFiles FilesIn(const std::filesystem::path& folder) {
  std::error_code error;
  DatedFiles files;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == kExtension) files.emplace_back(entry.last_write_time(error), entry.path());
  }
  std::ranges::sort(files);
  return files;
}

// Of the last day; also those that other runs of the daemon have written. What a wrong clock put into the future does
// not count.
std::size_t Recent(const DatedFiles& files) {
  const FileTime now = FileTime::clock::now();
  return static_cast<std::size_t>(std::ranges::count_if(
      files, [now](const auto& file) { return file.first <= now && file.first > now - std::chrono::hours(24); }));
}

bool HasRoom(const std::filesystem::path& folder) {
  std::error_code error;
  const auto space = std::filesystem::space(folder, error);
  return error || space.available >= Recorder::kMinFree;
}

void Complain(const std::string& why, const std::filesystem::path& file) {
  log::Warning("recorder.failed", "the last frames of a bus are not kept", {{"file", file.string()}, {"why", why}});
}

// Whole or not at all: what is cut off replays as something that never happened.
void WriteFile(const std::filesystem::path& folder, const std::filesystem::path& file, const std::string& text) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  DatedFiles files = FilesIn(folder);
  if (Recent(files) >= Recorder::kMaxFilesPerDay) return Complain("there were enough today", file);
  if (!HasRoom(folder)) return Complain("the disk is nearly full", file);
  const std::filesystem::path part = file.string() + ".part";
  std::ofstream out(part, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  if (out) std::filesystem::rename(part, file, error);
  if (!out || error) {
    std::filesystem::remove(part, error);
    return Complain("it cannot be written", file);
  }
  log::Notice("recorder.saved", "the last frames of a bus are kept", {{"file", file.string()}});
  for (std::size_t i = 0; i + Recorder::kMaxFiles <= files.size(); ++i) {
    std::filesystem::remove(files[i].second, error);
  }
}

}  // namespace

std::string RenderRecording(const std::string& bus, const std::string& driver, const std::string& anomaly,
                            std::int64_t now_ms, const OrderedJson& answer) {
  OrderedJson head{
      {kVersionKey, kVersion}, {"bus", bus}, {"driver", driver}, {"anomaly", anomaly}, {"recorded_ms", now_ms}};
  std::string frames;
  for (const OrderedJson& object : answer) {
    if (!object.is_object()) continue;
    if (object.contains("kind")) {
      frames += DumpOrdered(object) + "\n";
    } else {
      for (const auto& [key, value] : object.items()) {
        if (!head.contains(key)) head[key] = value;
      }
    }
  }
  return DumpOrdered(head) + "\n" + frames;
}

Result<Recording> ParseRecording(std::string_view text) {
  if (text.size() > kMaxRecordingBytes) {
    return Fail(Action::kGiveUp, fmt::format("longer than {} bytes: no recording of ours", kMaxRecordingBytes));
  }
  Recording recording;
  int number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.empty()) continue;
    const auto json = ParseJson(line);
    if (!json) return Fail(json.error().WithContext(fmt::format("line {}", number)));
    if (number == 1) {
      if (GetInt(*json, kVersionKey) != kVersion) {
        return Fail(Action::kGiveUp, fmt::format("line 1 has no \"{}\": {}; not a recording", kVersionKey, kVersion));
      }
      recording.bus = GetString(*json, "bus").value_or("");
      recording.driver = GetString(*json, "driver").value_or("");
      recording.anomaly = GetString(*json, "anomaly").value_or("");
      recording.recorded_ms = GetInt(*json, "recorded_ms").value_or(0);
      recording.transport = GetString(*json, "transport").value_or("");
      continue;
    }
    RecordedFrame frame;
    if (!ParseFrame(*json, frame)) {
      return Fail(Action::kGiveUp,
                  fmt::format("line {}: a frame has \"kind\", \"at_ns\" and \"hex\" or \"text\"", number));
    }
    recording.frames.push_back(std::move(frame));
  }
  if (number == 0) return Fail(Action::kGiveUp, "empty");
  return recording;
}

void Recorder::Save(const std::string& bus, std::int64_t now_ms, std::string text) {
  using namespace std::chrono_literals;
  if (folder_.empty() || text.size() > kMaxRecordingBytes ||
      (writing_.valid() && writing_.wait_for(0s) != std::future_status::ready))
    return;
  const std::filesystem::path file = folder_ / fmt::format("{}-{}{}", bus, now_ms, kExtension);
  writing_ = std::async(std::launch::async, WriteFile, folder_, file, std::move(text));
}

}  // namespace penumbra
