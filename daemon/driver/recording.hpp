// The last frames of a bus, kept because something went wrong: the file format, and the folder of such files. A file is
// JSON lines: first what it is of, then one line a frame, so that it can be read by people and cut by tools.
// Parsing is pure; Recorder writes on a thread of its own, because the loop waits for no disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <future>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"

namespace penumbra {

struct RecordedFrame {
  enum class Kind { kSent, kReceived, kStale, kNote };
  Kind kind = Kind::kSent;
  std::int64_t at_ns = 0;
  std::string bytes;  // of a note: its text
};

struct Recording {
  std::string bus, driver, anomaly;
  std::int64_t recorded_ms = 0;
  std::string transport;  // "tcp", "rtu", "rtu-tcp"
  std::vector<RecordedFrame> frames;
};

// Longest file that is read.
inline constexpr std::size_t kMaxRecordingBytes = 1024 * 1024;

// `answer`: what the driver says to {"ask":"frames"}.
std::string RenderRecording(const std::string& bus, const std::string& driver, const std::string& anomaly,
                            std::int64_t now_ms, const OrderedJson& answer);
// Error: kGiveUp, with the line at fault.
Result<Recording> ParseRecording(std::string_view text);

class Recorder {
 public:
  // Older ones are removed. With kMaxFilesPerDay of some 100 KiB (penumbra::modbus::FrameLog's bounds) a line that is
  // always in trouble costs the card 1 MiB a day.
  static constexpr std::size_t kMaxFiles = 20;
  static constexpr std::size_t kMaxFilesPerDay = 10;
  // With less room on the disk than this nothing is kept.
  static constexpr std::uintmax_t kMinFree = 32 * 1024 * 1024;

  // An empty folder: nothing is written. The folder is made when it is needed.
  explicit Recorder(std::filesystem::path folder) : folder_(std::move(folder)) {}

  bool on() const { return !folder_.empty(); }
  // Writes `text` to a new file and logs its name; not while another is being written, not beyond the bounds above,
  // and no text longer than kMaxRecordingBytes.
  void Save(const std::string& bus, std::int64_t now_ms, std::string text);

 private:
  std::filesystem::path folder_;
  std::future<void> writing_;  // its destructor waits
};

}  // namespace penumbra
