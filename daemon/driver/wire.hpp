// What the daemon and a driver host say to each other: one frame a message on a SOCK_SEQPACKET pair. Pure.
//
// Both ends are built from the same commit, so there is no version in it; the ABI that outsiders see is
// penumbra/driver.h. The daemon treats every byte from a host as foreign (a driver can write to any descriptor of its
// process): the decoders answer nullopt for whatever is not exactly a frame of ours. The bus configuration is not in
// here: the host gets it as JSON in a memory file at start (kConfigurationFd), since it may be larger than a frame.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "model/value.hpp"

namespace penumbra::wire {

// Descriptors of a host at its start.
inline constexpr int kSocketFd = 3;
inline constexpr int kConfigurationFd = 4;
// An eventfd of both sides: the daemon makes it readable to cancel the request in flight, and takes that back before
// the next one.
inline constexpr int kCancelFd = 5;

// Longest frame. Below the default socket buffer (net.core.wmem_default, 208 KiB), so that one always fits.
inline constexpr std::size_t kMaxFrame = 128 * 1024;
// Points of one request. 2048 values of 32 bytes leave half a frame for texts and reasons, which are cut to what fits.
inline constexpr std::size_t kMaxPoints = 2048;
inline constexpr std::size_t kMaxValueBytes = 32;
inline constexpr std::size_t kMaxTextBytes = kMaxFrame - kMaxPoints * kMaxValueBytes - 64;
// Longest single text: of a value, of a reason, of a line of log. Longer ones are cut by the sender.
inline constexpr std::size_t kMaxText = 4096;
inline constexpr std::size_t kMaxReason = 160;
inline constexpr std::size_t kMaxLogLine = 512;
// One question, and one object of its answer.
inline constexpr std::size_t kMaxQuestion = 16 * 1024;
inline constexpr std::size_t kMaxAnswerObject = 64 * 1024;
inline constexpr std::size_t kMaxFactKey = 64;
inline constexpr std::size_t kMaxFactValue = 4096;

// penumbra_status of driver.h, which daemon code does not include. Same numbers.
enum class Code : std::uint8_t {
  kOk = 0,
  kBadOptions = 1,
  kNoDevice = 2,
  kTimeout = 3,
  kIo = 4,
  kCancelled = 5,
  kUnsupported = 6,
  kRefused = 7,
};

// PENUMBRA_CAN_... of driver.h. Same bits.
inline constexpr std::uint64_t kCanWrite = 1U << 0U;
inline constexpr std::uint64_t kCanAsk = 1U << 1U;
inline constexpr std::uint64_t kCanScan = 1U << 2U;
inline constexpr std::uint64_t kCanSelfTest = 1U << 3U;
inline constexpr std::uint64_t kCanPlan = 1U << 4U;
inline constexpr std::uint64_t kCanWriteMany = 1U << 5U;

// "timeout", "i/o error", ...: the reason to show when the driver gave none.
std::string_view ToString(Code code);

struct RawValue {
  Value value;  // monostate when quality is kBad
  Quality quality = Quality::kGood;
  Code code = Code::kOk;  // why it is bad, when the driver said so
  std::string reason;
  std::int64_t time_ns = 0;  // CLOCK_BOOTTIME; 0: when the call returned
  friend bool operator==(const RawValue&, const RawValue&) = default;
};

// Daemon to host. `id` comes back in the answer; `deadline_ns` is CLOCK_BOOTTIME.
struct ReadRequest {
  std::uint32_t id = 0;
  std::uint32_t thing = 0;
  std::vector<std::uint32_t> points;
  std::int64_t deadline_ns = 0;
  friend bool operator==(const ReadRequest&, const ReadRequest&) = default;
};
struct WriteRequest {
  std::uint32_t id = 0;
  std::uint32_t thing = 0;
  std::uint32_t point = 0;
  Value value;
  std::int64_t deadline_ns = 0;
  friend bool operator==(const WriteRequest&, const WriteRequest&) = default;
};
struct AskRequest {
  std::uint32_t id = 0;
  std::string question;  // JSON text
  std::int64_t deadline_ns = 0;
  friend bool operator==(const AskRequest&, const AskRequest&) = default;
};
using Request = std::variant<ReadRequest, WriteRequest, AskRequest>;

// Host to daemon.
struct Loaded {  // the .so is loaded and speaks our ABI; open() begins
  std::string version;
  std::uint64_t capabilities = 0;
  friend bool operator==(const Loaded&, const Loaded&) = default;
};
struct LoadFailed {
  std::string error;
  friend bool operator==(const LoadFailed&, const LoadFailed&) = default;
};
struct Opened {
  Code code = Code::kOk;
  std::string error;
  std::string shortcomings;  // what of the system the host can reach beyond its need, and why; empty: nothing
  friend bool operator==(const Opened&, const Opened&) = default;
};
struct ReadAnswer {
  std::uint32_t id = 0;
  Code code = Code::kOk;         // other than kOk: no values
  std::vector<RawValue> values;  // in the order of the request's points
  friend bool operator==(const ReadAnswer&, const ReadAnswer&) = default;
};
struct WriteAnswer {
  std::uint32_t id = 0;
  Code code = Code::kOk;
  std::string error;
  friend bool operator==(const WriteAnswer&, const WriteAnswer&) = default;
};
// Any number of objects, then the answer that ends the question.
struct AskObject {
  std::uint32_t id = 0;
  std::string json;
  friend bool operator==(const AskObject&, const AskObject&) = default;
};
struct AskAnswer {
  std::uint32_t id = 0;
  Code code = Code::kOk;
  std::string error;
  friend bool operator==(const AskAnswer&, const AskAnswer&) = default;
};
// At any time after Loaded: the host ends by itself, and says why. kNoDevice: no fault of the driver's.
struct Ending {
  Code code = Code::kIo;
  std::string reason;
  friend bool operator==(const Ending&, const Ending&) = default;
};
// At any time after Loaded.
struct Fact {
  std::string key;
  std::string json;  // empty: forget it
  friend bool operator==(const Fact&, const Fact&) = default;
};
struct LogLine {
  std::uint8_t level = 6;     // syslog priority, 3..7
  std::string text;           // empty: only the count is new
  std::uint64_t dropped = 0;  // lines dropped since the last LogLine
  friend bool operator==(const LogLine&, const LogLine&) = default;
};
using FromHost =
    std::variant<Loaded, LoadFailed, Opened, ReadAnswer, WriteAnswer, LogLine, AskObject, AskAnswer, Fact, Ending>;

// Letters, digits and "_.:-", at least one and at most kMaxFactKey.
bool IsFactKey(std::string_view key);

// Never longer than kMaxFrame: texts are cut, and a read answer has at most kMaxPoints values. A value whose text was
// cut becomes Uncertain, "text cut". JSON is not cut: who sends it keeps to its bound.
std::string Encode(const Request& request);
std::string Encode(const FromHost& message);

// nullopt: not a frame of ours (unknown kind, rest at the end, number out of range, value that does not fit its
// quality). Texts come back as they were sent and need not be UTF-8.
std::optional<Request> DecodeRequest(std::string_view frame);
std::optional<FromHost> DecodeFromHost(std::string_view frame);

}  // namespace penumbra::wire
