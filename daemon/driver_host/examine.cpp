#include "driver_host/examine.hpp"

#include <penumbra/driver.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>
#include <vector>

#include "driver_host/driver_library.hpp"
#include "driver_host/json_output.hpp"
#include "driver_host/log_gate.hpp"
#include "driver_host/process_state.hpp"
#include "driver_host/serve.hpp"

namespace penumbra::host {
namespace {

constexpr std::int64_t kMs = 1'000'000;
// What a driver may be late, or take although it was cancelled: the length of one transfer that cannot be broken off.
constexpr std::int64_t kLateMs = 250;
// More values than this are not looked at; enough for any device.
constexpr std::uint32_t kPoints = 256;
constexpr int kWarmOpens = 50;
constexpr int kOpens = 200;
// What the C library's heap grows by chance in so many opens.
constexpr std::size_t kGrowth = 256 * 1024;
constexpr int kGarbageReads = 200;
constexpr int kLeakedDescriptors = 70;

using Findings = std::vector<std::string>;

struct Patient {
  const penumbra_driver* driver = nullptr;
  std::string file;
  std::string configuration;
  std::uint32_t things = 0;
  std::vector<std::uint32_t> points;  // of each thing
  penumbra_host host{};
};

void IgnoreLog(void*, std::uint32_t, const char*) {}

penumbra_status TakeFact(void*, const char*, const char*) {
  return PENUMBRA_OK;
}

penumbra_host MakeHost() {
  penumbra_host host{};
  host.size = sizeof host;
  host.abi_version = PENUMBRA_ABI_VERSION;
  host.log = IgnoreLog;
  host.now_ns = [](void*) { return NowNs(); };
  host.remember = TakeFact;
  return host;
}

// An open bus that closes itself.
class OpenBus {
 public:
  explicit OpenBus(const Patient& patient) : patient_(patient) {
    std::array<char, 512> error{};
    status_ = patient.driver->open(&patient_.host, patient_.configuration.c_str(), &bus_, error.data(), error.size());
    error_.assign(error.data(), ::strnlen(error.data(), error.size()));
  }
  ~OpenBus() {
    if (status_ == PENUMBRA_OK) patient_.driver->close(bus_);
  }
  OpenBus(const OpenBus&) = delete;
  OpenBus& operator=(const OpenBus&) = delete;

  penumbra_status status() const { return status_; }
  const std::string& error() const { return error_; }
  penumbra_bus* get() const { return bus_; }
  // It is somebody else's to close.
  void Abandon() { status_ = PENUMBRA_IO; }

 private:
  const Patient& patient_;
  penumbra_bus* bus_ = nullptr;
  penumbra_status status_ = PENUMBRA_IO;
  std::string error_;
};

struct ReadResult {
  std::uint32_t status = 0;
  std::int64_t took_ms = 0;
  std::vector<penumbra_value> values;
};

constexpr unsigned char kCanary = 0xC5;

ReadResult Read(const Patient& patient, penumbra_bus* bus, std::uint32_t thing, std::vector<std::uint32_t> points,
                std::int64_t time_ms, int cancel_fd, Findings& findings) {
  // One value more than asked for, filled with a mark.
  std::vector<penumbra_value> values(points.size() + 1);
  for (penumbra_value& value : values) {
    value = {};
    value.size = sizeof value;
    value.quality = PENUMBRA_BAD;
  }
  std::memset(static_cast<void*>(&values.back()), kCanary, sizeof(penumbra_value));
  penumbra_read_request request{};
  request.size = sizeof request;
  request.thing = thing;
  request.point_count = static_cast<std::uint32_t>(points.size());
  request.points = points.data();
  request.deadline_ns = NowNs() + time_ms * kMs;
  request.cancel_fd = cancel_fd;
  const std::int64_t begun = NowNs();
  ReadResult result;
  result.status = patient.driver->read(bus, &request, values.data());
  result.took_ms = (NowNs() - begun) / kMs;
  const auto* mark = reinterpret_cast<const unsigned char*>(&values.back());
  for (std::size_t i = 0; i < sizeof(penumbra_value); ++i) {
    if (mark[i] != kCanary) {
      findings.emplace_back("read writes beyond the values it was asked for");
      break;
    }
  }
  values.pop_back();
  result.values = std::move(values);
  return result;
}

std::vector<std::uint32_t> AllPoints(const Patient& patient, std::uint32_t thing) {
  std::vector<std::uint32_t> points;
  for (std::uint32_t i = 0; i < patient.points[thing] && i < kPoints; ++i) points.push_back(i);
  return points;
}

bool IsUtf8(const char* text) {
  const auto* p = reinterpret_cast<const unsigned char*>(text);
  while (*p != 0) {
    const int more = *p < 0x80 ? 0 : *p >> 5 == 6 ? 1 : *p >> 4 == 14 ? 2 : *p >> 3 == 30 ? 3 : -1;
    if (more < 0) return false;
    ++p;
    for (int i = 0; i < more; ++i, ++p) {
      if (*p >> 6 != 2) return false;
    }
  }
  return true;
}

std::string FaultOf(const penumbra_value& value) {
  if (value.quality > PENUMBRA_BAD) return "has an unknown quality " + std::to_string(value.quality);
  if (value.type > PENUMBRA_TEXT) return "has an unknown type " + std::to_string(value.type);
  if (value.quality == PENUMBRA_BAD) {
    if (value.reason == nullptr || *value.reason == '\0') return "is bad without a reason";
    if (std::strlen(value.reason) > 160) return "has a reason of more than 160 bytes";
    return IsUtf8(value.reason) ? "" : "has a reason that is not UTF-8";
  }
  if (value.type == PENUMBRA_NONE) return "is good or uncertain without a value";
  if (value.type == PENUMBRA_TEXT && value.text == nullptr) return "is a text without text";
  if (value.type == PENUMBRA_TEXT && !IsUtf8(value.text)) return "is a text that is not UTF-8";
  if (value.quality == PENUMBRA_UNCERTAIN && value.reason == nullptr) return "is uncertain without a reason";
  return "";
}

void JudgeValues(std::uint32_t thing, const ReadResult& result, Findings& findings) {
  if (result.status > PENUMBRA_REFUSED) {
    findings.push_back("read answers the unknown status " + std::to_string(result.status));
  }
  if (result.status != PENUMBRA_OK) return;
  for (std::size_t i = 0; i < result.values.size(); ++i) {
    const std::string fault = FaultOf(result.values[i]);
    if (!fault.empty()) {
      findings.push_back("point " + std::to_string(i) + " of thing " + std::to_string(thing) + " " + fault);
    }
  }
}

// --- The examinations
// --------------------------------------------------------------------------------------------------

Findings ExamineAbi(const Patient& patient) {
  Findings findings;
  const std::string name = std::filesystem::path(patient.file).stem().string();
  if (name != patient.driver->name) {
    findings.push_back("it calls itself \"" + std::string(patient.driver->name) + "\" but its file is " + name + ".so");
  }
  if (*patient.driver->version == '\0') findings.emplace_back("its version is empty");
  for (const char* schema : {patient.driver->bus_schema, patient.driver->thing_schema, patient.driver->point_schema}) {
    if (schema == nullptr) findings.emplace_back("one of its schemas is NULL (no keys: \"{}\")");
  }
  if (EntryFor(patient.file, 0xFFFFFFFFU) != nullptr) {
    findings.emplace_back("it offers itself to a host that speaks only an unknown ABI version");
  }
  if (EntryFor(patient.file, PENUMBRA_ABI_VERSION) != patient.driver) {
    findings.emplace_back("penumbra_driver_entry answers another structure at the second call");
  }
  if (!PENUMBRA_HAS_FIELD(patient.driver, needs)) {
    findings.emplace_back(
        "it does not say what it needs (penumbra_driver.needs): its host keeps files and network open");
  }
  return findings;
}

void ReadAndJudgeAll(const Patient& patient, penumbra_bus* bus, Findings& findings) {
  for (std::uint32_t thing = 0; thing < patient.things; ++thing) {
    JudgeValues(thing, Read(patient, bus, thing, AllPoints(patient, thing), 2000, -1, findings), findings);
  }
}

Findings ExamineOpen(const Patient& patient) {
  Findings findings;
  const ProcessState before = ProcessState::Now();
  {
    const OpenBus first(patient);
    if (first.status() != PENUMBRA_OK) return {"the bus does not open: " + first.error()};
    {
      OpenBus second(patient);  // may be refused; must not harm the first
      if (second.status() != PENUMBRA_OK && second.error().empty()) {
        findings.emplace_back("a second open fails without a line for the operator");
      }
      if (second.status() == PENUMBRA_OK && second.get() == first.get()) {
        findings.emplace_back("a second open answers the bus of the first");
        second.Abandon();  // one bus, to be closed once
      }
      ReadAndJudgeAll(patient, first.get(), findings);
      if (second.status() == PENUMBRA_OK) ReadAndJudgeAll(patient, second.get(), findings);
    }
    ReadAndJudgeAll(patient, first.get(), findings);  // the second is closed
  }
  for (std::string& difference : ProcessState::Now().DifferencesTo(before)) findings.push_back(std::move(difference));
  return findings;
}

Findings ExamineLeaks(const Patient& patient) {
  Findings findings;
  std::size_t memory = 0;
  int descriptors = 0;
  int opens = 0;
  for (int i = 0; i < kWarmOpens + kOpens; ++i) {
    if (i == kWarmOpens) {
      memory = HeapBytes();
      descriptors = OpenDescriptors();
    }
    opens = i - kWarmOpens + 1;
    if (i > kWarmOpens && OpenDescriptors() > descriptors + kLeakedDescriptors) break;  // before none are left
    const OpenBus bus(patient);
    if (patient.things > 0) Read(patient, bus.get(), 0, AllPoints(patient, 0), 20, -1, findings);
  }
  const std::string after = " after " + std::to_string(opens) + " times open and close";
  if (const int now = OpenDescriptors(); now > descriptors) {
    findings.push_back(std::to_string(now - descriptors) + " descriptors are left" + after);
  }
  if (const std::size_t now = HeapBytes(); now > memory + kGrowth) {
    findings.push_back(std::to_string((now - memory) / 1024) + " KiB of memory are left" + after);
  }
  return findings;
}

Findings ExamineDeadline(const Patient& patient) {
  Findings findings;
  const OpenBus bus(patient);
  for (const std::int64_t time_ms : {-1000, 0, 1, 100}) {
    for (std::uint32_t thing = 0; thing < patient.things; ++thing) {
      const ReadResult result = Read(patient, bus.get(), thing, AllPoints(patient, thing), time_ms, -1, findings);
      const std::int64_t late = result.took_ms - std::max<std::int64_t>(time_ms, 0);
      if (late > kLateMs) {
        findings.push_back("read returns " + std::to_string(late) + " ms past a deadline in " +
                           std::to_string(time_ms) + " ms");
      }
      JudgeValues(thing, result, findings);
    }
  }
  return findings;
}

Findings ExamineCancel(const Patient& patient) {
  Findings findings;
  const OpenBus bus(patient);
  for (const int delay_ms : {0, 30}) {
    for (std::uint32_t thing = 0; thing < patient.things; ++thing) {
      const int cancel = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
      std::thread canceller([cancel, delay_ms] {
        std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms));
        ::eventfd_write(cancel, 1);
      });
      if (delay_ms == 0) canceller.join();
      const ReadResult result = Read(patient, bus.get(), thing, AllPoints(patient, thing), 5000, cancel, findings);
      if (delay_ms != 0) canceller.join();
      if (result.took_ms > delay_ms + kLateMs) {
        findings.push_back("read returns only " + std::to_string(result.took_ms - delay_ms) +
                           " ms after its cancel descriptor became readable");
      }
      eventfd_t count = 0;
      if (::eventfd_read(cancel, &count) != 0) findings.emplace_back("read takes from its cancel descriptor");
      ::close(cancel);
    }
  }
  return findings;
}

Findings ExamineIndexes(const Patient& patient) {
  Findings findings;
  const OpenBus bus(patient);
  const auto expect_none = [&](std::uint32_t thing, std::uint32_t point) {
    const ReadResult result = Read(patient, bus.get(), thing, {point}, 200, -1, findings);
    if (result.status == PENUMBRA_OK && result.values[0].quality != PENUMBRA_BAD) {
      findings.push_back("reading point " + std::to_string(point) + " of thing " + std::to_string(thing) +
                         ", which is not configured, brings a value");
    }
  };
  expect_none(patient.things, 0);
  expect_none(0xFFFFFFFFU, 0xFFFFFFFFU);
  if (patient.things > 0) expect_none(0, patient.points[0]);
  if (patient.things > 0) Read(patient, bus.get(), 0, {}, 200, -1, findings);
  return findings;
}

Findings ExamineWrite(const Patient& patient) {
  Findings findings;
  if ((patient.driver->capabilities & PENUMBRA_CAN_WRITE) == 0) return findings;
  const OpenBus bus(patient);
  // Only what no device may ever get: this may run beside a real one.
  penumbra_value value{};
  value.size = sizeof value;
  value.type = PENUMBRA_NONE;
  penumbra_write_request request{};
  request.size = sizeof request;
  request.value = &value;
  request.deadline_ns = NowNs() + 500 * kMs;
  request.cancel_fd = -1;
  std::array<char, 512> error{};
  if (patient.driver->write(bus.get(), &request, error.data(), error.size()) == PENUMBRA_OK) {
    findings.emplace_back("write takes a value that is none");
  }
  request.thing = patient.things;
  value.type = PENUMBRA_INT;
  if (patient.driver->write(bus.get(), &request, error.data(), error.size()) == PENUMBRA_OK) {
    findings.emplace_back("write takes a point that is not configured");
  }
  return findings;
}

// Answers belong to the bus thread. The driver's own threads may hand some over meanwhile, which is what is looked for.
struct AnswerJudge {
  static void Take(void* context, const char* json) {
    auto& judge = *static_cast<AnswerJudge*>(context);
    if (std::this_thread::get_id() != judge.bus_thread) judge.foreign_thread = true;
    if (json == nullptr || json[0] != '{' || std::strlen(json) > 64UL * 1024) judge.no_object = true;
  }
  const std::thread::id bus_thread = std::this_thread::get_id();
  std::atomic<bool> foreign_thread = false, no_object = false;
};

Findings ExamineAsk(const Patient& patient) {
  Findings findings;
  if ((patient.driver->capabilities & PENUMBRA_CAN_ASK) == 0) return findings;
  const OpenBus bus(patient);
  AnswerJudge judge;
  const auto ask = [&](const char* question) {
    penumbra_ask_request request{};
    request.size = sizeof request;
    request.question = question;
    request.answer = AnswerJudge::Take;
    request.context = &judge;
    request.deadline_ns = NowNs() + 1000 * kMs;
    request.cancel_fd = -1;
    std::array<char, 512> error{};
    return patient.driver->ask(bus.get(), &request, error.data(), error.size());
  };
  for (const char* question : {R"({"ask":"no such question"})", R"({"ask":5})", "{}", "[", ""}) {
    if (ask(question) == PENUMBRA_OK) findings.push_back(std::string("the question '") + question + "' is answered");
  }
  if ((patient.driver->capabilities & PENUMBRA_CAN_PLAN) != 0 && ask(R"({"ask":"plan"})") != PENUMBRA_OK) {
    findings.emplace_back("it can plan, and does not");
  }
  if ((patient.driver->capabilities & PENUMBRA_CAN_SELF_TEST) != 0) ask(R"({"ask":"self_test"})");
  ask(R"({"ask":"counters"})");
  if (judge.no_object) findings.emplace_back("an answer is no JSON object, or longer than 64 KiB");
  if (judge.foreign_thread) findings.emplace_back("an answer comes from another thread than that of the call");
  return findings;
}

// What it needs, asked as the gateway does: without a bus, for the right configuration and for wrong ones.
Findings ExamineNeeds(const Patient& patient) {
  Findings findings;
  if (!PENUMBRA_HAS_FIELD(patient.driver, needs)) return findings;  // "abi" says so
  const auto take = [](void* context, std::uint32_t kind, const char* path) {
    auto& all = *static_cast<Findings*>(context);
    if (kind < PENUMBRA_NEED_NETWORK || kind > PENUMBRA_NEED_WRITE) {
      all.push_back("it needs the unknown kind " + std::to_string(kind));
    } else if (kind != PENUMBRA_NEED_NETWORK && (path == nullptr || *path == '\0')) {
      all.emplace_back("it needs a file or device without a path");
    }
  };
  const ProcessState before = ProcessState::Now();
  patient.driver->needs(patient.configuration.c_str(), take, &findings);
  for (const char* wrong : {"", "{", "[]", R"({"bus":5,"things":7})"}) patient.driver->needs(wrong, take, &findings);
  for (std::string& difference : ProcessState::Now().DifferencesTo(before)) findings.push_back(std::move(difference));
  return findings;
}

// A configuration that is none must not open.
Findings ExamineRefuse(const Patient& patient) {
  const OpenBus bus(patient);
  Findings findings;
  if (bus.status() == PENUMBRA_OK) findings.emplace_back("open takes it");
  return findings;
}

// Many configurations, a line each, that may open or not, but do no harm. The gateway's own check sieves them out
// before.
Findings ExamineSurvive(const Patient& patient) {
  Patient one = patient;
  for (std::size_t begin = 0; begin < patient.configuration.size();) {
    const std::size_t end = std::min(patient.configuration.find('\n', begin), patient.configuration.size());
    one.configuration = patient.configuration.substr(begin, end - begin);
    const OpenBus bus(one);
    begin = end + 1;
  }
  return {};
}

// With something on the other end of the bus that answers nonsense; who calls this sees to that.
Findings ExamineGarbage(const Patient& patient) {
  Findings findings;
  const OpenBus bus(patient);
  std::size_t good = 0;
  std::size_t all = 0;
  for (int i = 0; i < kGarbageReads; ++i) {
    for (std::uint32_t thing = 0; thing < patient.things; ++thing) {
      const ReadResult result = Read(patient, bus.get(), thing, AllPoints(patient, thing), 30, -1, findings);
      JudgeValues(thing, result, findings);
      for (const penumbra_value& value : result.values) {
        ++all;
        good += result.status == PENUMBRA_OK && value.quality == PENUMBRA_GOOD ? 1 : 0;
      }
    }
    if (!findings.empty()) break;
  }
  if (good * 50 > all) {
    findings.push_back(std::to_string(good) + " of " + std::to_string(all) +
                       " values are good although the bus brings "
                       "nonsense: nothing checks what comes in");
  }
  return findings;
}

struct Examination {
  const char* name;
  Findings (*run)(const Patient&);
  bool opens;  // needs a configuration that opens
};

constexpr Examination kExaminations[] = {
    {"abi", ExamineAbi, false},          {"open", ExamineOpen, false},     {"leaks", ExamineLeaks, true},
    {"deadline", ExamineDeadline, true}, {"cancel", ExamineCancel, true},  {"indexes", ExamineIndexes, true},
    {"write", ExamineWrite, true},       {"ask", ExamineAsk, true},        {"needs", ExamineNeeds, false},
    {"garbage", ExamineGarbage, true},   {"refuse", ExamineRefuse, false}, {"survive", ExamineSurvive, false},
};

// The first line of the input is "THINGS POINTS POINTS ...", so that we need no JSON; the rest is the configuration.
bool TakeInput(const std::string& input, Patient& patient) {
  const std::size_t end = input.find('\n');
  if (end == std::string::npos) return false;
  const char* p = input.c_str();
  char* next = nullptr;
  patient.things = static_cast<std::uint32_t>(std::strtoul(p, &next, 10));
  for (std::uint32_t i = 0; i < patient.things && next < input.c_str() + end; ++i) {
    p = next;
    patient.points.push_back(static_cast<std::uint32_t>(std::strtoul(p, &next, 10)));
  }
  patient.configuration = input.substr(end + 1);
  return patient.points.size() == patient.things;
}

// What is found a hundred times is one finding.
Findings Distinct(const Findings& findings) {
  Findings distinct;
  for (const std::string& finding : findings) {
    if (std::find(distinct.begin(), distinct.end(), finding) == distinct.end()) distinct.push_back(finding);
  }
  return distinct;
}

std::string Render(const Findings& findings) {
  std::string json;
  for (const std::string& finding : findings) json += (json.empty() ? "" : ",") + Quote(finding.c_str());
  return "{\"findings\":[" + json + "]}";
}

}  // namespace

int Examine(const std::string& file, const std::string& name) {
  const int out = TakeStandardOutput();
  Patient patient{.file = file, .host = MakeHost()};
  std::string error;
  std::string input;
  if (!ReadAll(STDIN_FILENO, input) || !TakeInput(input, patient))
    return Failure(out, "no configuration on standard input");
  patient.driver = LoadDriver(file, error);
  if (patient.driver == nullptr) return Failure(out, error);
  for (const Examination& examination : kExaminations) {
    if (name != examination.name) continue;
    if (examination.opens) {
      const OpenBus trial(patient);
      if (trial.status() != PENUMBRA_OK) return Failure(out, "the bus does not open: " + trial.error());
    }
    WriteLine(out, Render(Distinct(examination.run(patient))));
    return kExitOk;
  }
  return Failure(out, "no examination is called " + name);
}

std::string Examinations() {
  std::string names;
  for (const Examination& examination : kExaminations) names += std::string(examination.name) + "\n";
  return names;
}

}  // namespace penumbra::host
