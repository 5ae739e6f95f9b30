#include "driver_host/serve.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>
#include <vector>

#include "driver/wire.hpp"
#include "driver_host/confine.hpp"
#include "driver_host/driver_library.hpp"
#include "driver_host/log_gate.hpp"
#include "driver_host/process_limits.hpp"

namespace penumbra::host {
namespace {

constexpr std::size_t kErrorSize = 512;
// Descriptors from here on mean that the driver leaks them: the limit is near, and so is the end of its work.
constexpr int kTooManyDescriptors = 240;

// wire.hpp repeats these so that the daemon need not include the ABI.
static_assert(PENUMBRA_CAN_WRITE == wire::kCanWrite && PENUMBRA_CAN_ASK == wire::kCanAsk &&
              PENUMBRA_CAN_SCAN == wire::kCanScan && PENUMBRA_CAN_SELF_TEST == wire::kCanSelfTest &&
              PENUMBRA_CAN_PLAN == wire::kCanPlan && PENUMBRA_CAN_WRITE_MANY == wire::kCanWriteMany);
static_assert(PENUMBRA_REFUSED == static_cast<int>(wire::Code::kRefused));

bool Send(const wire::FromHost& message) {
  const std::string frame = wire::Encode(message);
  return ::send(wire::kSocketFd, frame.data(), frame.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(frame.size());
}

std::string ReadConfiguration() {
  std::string text;
  std::array<char, 16384> part{};
  ::lseek(wire::kConfigurationFd, 0, SEEK_SET);
  for (;;) {
    const ssize_t n = ::read(wire::kConfigurationFd, part.data(), part.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    text.append(part.data(), static_cast<std::size_t>(n));
  }
  ::close(wire::kConfigurationFd);
  return text;
}

wire::Code ToCode(std::uint32_t status) {
  return status <= PENUMBRA_REFUSED ? static_cast<wire::Code>(status) : wire::Code::kIo;
}

// Foreign text, copied with a bound; the wire cuts it further.
std::string Copy(const char* text, std::size_t max) {
  return text == nullptr ? std::string() : std::string(text, ::strnlen(text, max));
}

Value ToValue(const penumbra_value& raw) {
  switch (raw.type) {
    case PENUMBRA_BOOL:
      return raw.as.u != 0;
    case PENUMBRA_INT:
      return raw.as.i;
    case PENUMBRA_UINT:
      return raw.as.u;
    case PENUMBRA_REAL:
      return raw.as.d;
    case PENUMBRA_TEXT:
      if (raw.text == nullptr) return {};
      return Copy(raw.text, wire::kMaxText + 1);
    default:
      return {};
  }
}

std::string DefaultReason(wire::Code code) {
  return code == wire::Code::kOk ? "the driver filled no value" : std::string(wire::ToString(code));
}

wire::RawValue ToRaw(const penumbra_value& raw) {
  wire::RawValue out;
  out.time_ns = raw.time_ns;
  if (raw.quality != PENUMBRA_GOOD) out.reason = Copy(raw.reason, wire::kMaxReason);
  if (raw.quality <= PENUMBRA_UNCERTAIN) out.value = ToValue(raw);
  if (HasValue(out.value)) {
    out.quality = raw.quality == PENUMBRA_GOOD ? Quality::kGood : Quality::kUncertain;
    return out;
  }
  out.quality = Quality::kBad;
  out.code = ToCode(raw.status);
  if (out.reason.empty()) out.reason = DefaultReason(out.code);
  return out;
}

penumbra_value FromValue(const Value& value) {
  penumbra_value out{};
  out.size = sizeof out;
  if (const auto* b = std::get_if<bool>(&value)) {
    out.type = PENUMBRA_BOOL;
    out.as.u = *b ? 1 : 0;
  } else if (const auto* i = std::get_if<std::int64_t>(&value)) {
    out.type = PENUMBRA_INT;
    out.as.i = *i;
  } else if (const auto* u = std::get_if<std::uint64_t>(&value)) {
    out.type = PENUMBRA_UINT;
    out.as.u = *u;
  } else if (const auto* d = std::get_if<double>(&value)) {
    out.type = PENUMBRA_REAL;
    out.as.d = *d;
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    out.type = PENUMBRA_TEXT;
    out.text = text->c_str();
  }
  return out;
}

// penumbra_host.remember. Any thread of the driver.
penumbra_status Remember(void*, const char* key, const char* json) {
  wire::Fact fact{.key = Copy(key, wire::kMaxFactKey + 1), .json = Copy(json, wire::kMaxFactValue + 1)};
  if (!wire::IsFactKey(fact.key) || fact.json.size() > wire::kMaxFactValue) return PENUMBRA_BAD_OPTIONS;
  if (json != nullptr && fact.json.empty()) return PENUMBRA_BAD_OPTIONS;
  return Send(fact) ? PENUMBRA_OK : PENUMBRA_IO;
}

// Where a driver's answer goes while it answers one question.
struct AnswerSink {
  std::uint32_t id = 0;
  bool too_long = false;

  static void Take(void* context, const char* json) {
    auto& sink = *static_cast<AnswerSink*>(context);
    std::string text = Copy(json, wire::kMaxAnswerObject + 1);
    if (text.size() > wire::kMaxAnswerObject) {
      sink.too_long = true;
    } else {
      Send(wire::AskObject{sink.id, std::move(text)});
    }
  }
};

class Session {
 public:
  Session(const penumbra_driver& driver, LogGate& log, Confinement confinement)
      : driver_(driver), log_(log), confinement_(std::move(confinement)) {
    host_.size = sizeof host_;
    host_.abi_version = PENUMBRA_ABI_VERSION;
    host_.context = &log_;
    host_.log = [](void* context, std::uint32_t level, const char* message) {
      static_cast<LogGate*>(context)->Line(level, message);
    };
    host_.now_ns = [](void*) { return NowNs(); };
    host_.remember = Remember;
  }

  bool Open(const std::string& configuration) {
    std::array<char, kErrorSize> error{};
    const penumbra_status status = driver_.open(&host_, configuration.c_str(), &bus_, error.data(), error.size());
    if (status != PENUMBRA_OK) {
      Send(wire::Opened{ToCode(status), Copy(error.data(), error.size()), {}});
      return false;
    }
    return Send(wire::Opened{wire::Code::kOk, {}, confinement_.shortcomings});
  }

  // False: the host has said why it ends.
  bool Answer(const wire::Request& request) {
    std::visit([this](const auto& r) { Handle(r); }, request);
    log_.ReportDropped();
    return DescriptorsLeft() && DevicesAreTheSame();
  }

  void Close() { driver_.close(bus_); }

 private:
  void Handle(const wire::ReadRequest& request) {
    values_.assign(request.points.size(), Unfilled());
    const penumbra_read_request read{.size = sizeof read,
                                     .thing = request.thing,
                                     .point_count = static_cast<std::uint32_t>(request.points.size()),
                                     .reserved = 0,
                                     .points = request.points.data(),
                                     .deadline_ns = request.deadline_ns,
                                     .cancel_fd = CancelFd()};
    wire::ReadAnswer answer{.id = request.id, .code = ToCode(driver_.read(bus_, &read, values_.data()))};
    brought_something_ = false;
    if (answer.code == wire::Code::kOk) {
      for (const penumbra_value& value : values_) answer.values.push_back(ToRaw(value));
      brought_something_ = std::any_of(answer.values.begin(), answer.values.end(),
                                       [](const wire::RawValue& v) { return v.quality != Quality::kBad; });
    }
    Send(answer);
  }

  void Handle(const wire::WriteRequest& request) {
    wire::WriteAnswer answer{.id = request.id, .code = wire::Code::kUnsupported};
    if (PENUMBRA_HAS_FIELD(&driver_, write)) {
      const penumbra_value value = FromValue(request.value);
      const penumbra_write_request write{.size = sizeof write,
                                         .thing = request.thing,
                                         .point = request.point,
                                         .reserved = 0,
                                         .value = &value,
                                         .deadline_ns = request.deadline_ns,
                                         .cancel_fd = CancelFd()};
      std::array<char, kErrorSize> error{};
      answer.code = ToCode(driver_.write(bus_, &write, error.data(), error.size()));
      answer.error = Copy(error.data(), error.size());
    }
    Send(answer);
  }

  void Handle(const wire::AskRequest& request) {
    wire::AskAnswer answer{.id = request.id, .code = wire::Code::kUnsupported};
    if (PENUMBRA_HAS_FIELD(&driver_, ask)) {
      AnswerSink sink{.id = request.id};
      const penumbra_ask_request ask{.size = sizeof ask,
                                     .reserved = 0,
                                     .question = request.question.c_str(),
                                     .answer = AnswerSink::Take,
                                     .context = &sink,
                                     .deadline_ns = request.deadline_ns,
                                     .cancel_fd = CancelFd()};
      std::array<char, kErrorSize> error{};
      answer.code = ToCode(driver_.ask(bus_, &ask, error.data(), error.size()));
      answer.error = Copy(error.data(), error.size());
      if (sink.too_long && answer.code == wire::Code::kOk) {
        answer.code = wire::Code::kIo;
        answer.error = "the driver answers with an object longer than 64 KiB";
      }
    }
    Send(answer);
  }

  static bool DescriptorsLeft() {
    const int fd = ::fcntl(wire::kSocketFd, F_DUPFD_CLOEXEC, 0);
    if (fd >= 0) ::close(fd);
    if (fd >= 0 && fd < kTooManyDescriptors) return true;
    Send(wire::Ending{wire::Code::kIo, "the driver leaks descriptors: it has hardly any left of 256"});
    return false;
  }

  // A device that was plugged in again is another file: this process may not open it.
  bool DevicesAreTheSame() const {
    if (brought_something_) return true;
    const std::string replaced = ReplacedDevice(confinement_.devices);
    if (replaced.empty()) return true;
    Send(wire::Ending{wire::Code::kNoDevice, replaced + " was plugged in again"});
    return false;
  }

  // What a value is that the driver does not touch: bad, never a silent zero.
  static penumbra_value Unfilled() {
    penumbra_value value{};
    value.size = sizeof value;
    value.quality = PENUMBRA_BAD;
    return value;
  }

  const penumbra_driver& driver_;
  LogGate& log_;
  Confinement confinement_;
  bool brought_something_ = true;
  penumbra_host host_{};
  penumbra_bus* bus_ = nullptr;
  std::vector<penumbra_value> values_;
};

// Memory is limited; who runs into the limit by `new` says so instead of dying of an exception somewhere.
void WatchMemory() {
  static std::vector<char> reserve(64UL * 1024);  // for the last words
  std::set_new_handler([] {
    std::set_new_handler(nullptr);
    std::vector<char>().swap(reserve);
    Send(wire::Ending{wire::Code::kIo, "the driver has used up its memory (256 MiB)"});
    ::_exit(kExitFailed);
  });
}

// 0: the daemon closed its end.
ssize_t Receive(std::string& buffer) {
  for (;;) {
    const ssize_t n = ::recv(wire::kSocketFd, buffer.data(), buffer.size(), 0);
    if (n >= 0 || errno != EINTR) return n;
  }
}

}  // namespace

int Serve(const std::string& file) {
  const std::string configuration = ReadConfiguration();
  std::string error;
  const penumbra_driver* driver = LoadDriver(file, error);
  if (driver == nullptr) {
    Send(wire::LoadFailed{error});
    return kExitFailed;
  }
  LogGate log(wire::kSocketFd);
  UseCancelFd(wire::kCancelFd);
  // Before Loaded: a driver that dies in needs() has died while it was loaded, and not in open().
  Confinement confinement = Confine(*driver, configuration);
  if (!Send(wire::Loaded{driver->version, driver->capabilities})) return kExitFailed;
  Session session(*driver, log, std::move(confinement));
  WatchMemory();
  if (!session.Open(configuration)) return kExitFailed;
  // Requests are small: ids of points or a question at most.
  std::string buffer(std::max(wire::kMaxPoints * 5 + wire::kMaxText, wire::kMaxQuestion) + 64, '\0');
  for (;;) {
    const ssize_t n = Receive(buffer);
    if (n <= 0) break;
    const auto request = wire::DecodeRequest({buffer.data(), static_cast<std::size_t>(n)});
    if (!request) return kExitFailed;
    if (!session.Answer(*request)) return kExitFailed;
  }
  session.Close();
  return kExitOk;
}

}  // namespace penumbra::host
