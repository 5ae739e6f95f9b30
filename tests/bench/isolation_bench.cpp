// What a fault of one driver costs the other buses, and how long its own bus is away: prints the table of
// plugins/sdk/ISOLATION.md. Usage: isolation_bench [REPETITIONS]
//
// Each repetition starts afresh: two good buses and one whose driver (test_fault) gets the order for one fault, at 20
// polls a second each. The first row is the control: no fault, the same buses for as long, in the same run. Lost: polls
// of the good buses that were skipped, failed or came more than half an interval late, of those that came. Back: from
// the fault (the first moment its bus is not running, or its answer is missing) to its next good reading.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>

#include "base/log.hpp"
#include "driver/bus_manager.hpp"
#include "event/asio_loop.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;

constexpr Duration kInterval = 50ms;
constexpr Duration kLimit = 40s;
constexpr Duration kCalm = 500ms;  // before the fault, and after the return

struct Fault {
  const char* in;
  const char* what;
  const char* words;
};

constexpr Fault kFaults[] = {{"", "", "none (control)"},
                             {"needs", "crash", "crash in needs"},
                             {"open", "crash", "crash in open"},
                             {"read", "crash", "crash in read"},
                             {"write", "crash", "crash in write"},
                             {"ask", "crash", "crash in ask"},
                             {"close", "crash", "crash in close"},
                             {"read", "hang", "hang in read"},
                             {"ask", "hang", "hang in ask"},
                             {"close", "hang", "hang in close"},
                             {"read", "block_signals", "hang with all signals blocked"},
                             {"read", "exit", "exit in read"},
                             {"read", "leak_memory", "memory used up"},
                             {"read", "leak_descriptors", "descriptors used up"},
                             {"read", "threads", "threads without end"},
                             {"read", "fork", "fork, then abort"},
                             {"read", "garbage", "garbage on the connection"},
                             {"read", "overflow", "writes far beyond the values"},
                             {"read", "close_socket", "closes the connection"},
                             {"read", "throw", "exception in read"},
                             {"read", "flood", "100 000 log lines"}};

struct Outcome {
  std::uint64_t lost = 0, polls = 0;  // of the good buses
  double back_ms = 0;
  std::string reason;
};

// What the daemon logs, kept from the table: of a fault on the way out the log is all that the operator reads.
class CapturedLog {
 public:
  CapturedLog() : file_(std::tmpfile()), stderr_(::dup(STDERR_FILENO)) { ::dup2(::fileno(file_), STDERR_FILENO); }
  ~CapturedLog() {
    ::dup2(stderr_, STDERR_FILENO);
    ::close(stderr_);
    std::fclose(file_);
  }
  CapturedLog(const CapturedLog&) = delete;
  CapturedLog& operator=(const CapturedLog&) = delete;

  // Of the first line of that event; empty: there is none.
  std::string Message(const std::string& event) const {
    std::rewind(file_);
    std::string text(1 << 20, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), file_));
    const std::size_t line = text.find("event=" + event + " msg=\"");
    if (line == std::string::npos) return {};
    const std::size_t begin = text.find('"', line) + 1;
    return text.substr(begin, text.find('"', begin) - begin);
  }

 private:
  std::FILE* file_;
  int stderr_;
};

class Run {
 public:
  Run(const PathSettings& paths, const Fault& fault) : fault_(fault) {
    manager_ = BusManager::Create({paths, {}}, loop_, trust_, [this](const Reading& reading) { OnReading(reading); });
    for (std::size_t i = 0; i < 3; ++i) {
      buses_[i].name = i == 0 ? "bad" : "good" + std::to_string(i);
      buses_[i].driver = i == 0 ? "test_fault" : "sim";
      things_[i].name = "t" + std::to_string(i);
      things_[i].bus = buses_[i].name;
      things_[i].sample_interval = kInterval;
      things_[i].timeout = 100ms;
      things_[i].retries = 0;
      things_[i].points.resize(1);
      things_[i].points[0].name = "p";
    }
    manager_->Start(buses_, things_);
  }

  std::optional<Outcome> Do() {
    if (!Until([this] { return last_.size() == 3; })) return std::nullopt;
    Until([] { return false; }, kCalm);
    counting_ = true;
    const std::uint64_t before = GoodTrouble();
    Order();
    const BootTime ordered = clock_.Now();
    Outcome outcome;
    // Away: its last good reading is older than two intervals, or the process is another one.
    const int pid = Pid();
    const bool fell = Until(
        [&] {
          const BusStatus bus = Bad();
          if (!bus.reason.empty()) outcome.reason = bus.reason;
          return bus.pid != pid || bus.state != "running" || clock_.Now() - last_["t0"] > 2 * kInterval;
        },
        3s);
    const BootTime fault_at = std::max(last_["t0"], ordered);
    if (fell) {
      if (!Until([&] {
            const BusStatus bus = Bad();
            if (!bus.reason.empty()) outcome.reason = bus.reason;
            return last_["t0"] > fault_at && bus.state == "running" && clock_.Now() - last_["t0"] < kInterval;
          })) {
        return std::nullopt;
      }
      outcome.back_ms = static_cast<double>((last_["t0"] - fault_at).count()) * 1e-6;
    }
    Until([] { return false; }, kCalm);
    outcome.lost = GoodTrouble() - before + late_;
    outcome.polls = polls_;
    if (outcome.reason.empty()) outcome.reason = log_.Message("driver.bad_end");
    return outcome;
  }

 private:
  void Order() {
    const std::string_view in = fault_.in;
    if (in.empty()) return;
    const std::string marker = std::filesystem::temp_directory_path() / "penumbra-isolation-bench";
    if (in == "needs") std::ofstream(marker) << "crash once\n";
    manager_->Ask("bad", {{"ask", "deed"}, {"in", fault_.in}, {"what", fault_.what}, {"marker", marker}}, 500ms,
                  [this](const Result<OrderedJson>&) { asked_ = true; });
    if (in == "write") manager_->Write("t0", "p", Value(1.0), [](const Status&) {});
    if (in != "close") return;
    Until([this] { return asked_; });
    buses_[0].retries = 7;  // a change of the configuration closes the bus, and opens it in a new host
    manager_->Reconfigure(buses_, things_);
  }
  void OnReading(const Reading& reading) {
    const BootTime now = clock_.Now();
    if (reading.AllBad()) return;
    if (counting_ && reading.thing != "t0") ++polls_;
    if (counting_ && reading.thing != "t0" && now - last_[reading.thing] > kInterval + kInterval / 2) ++late_;
    last_[reading.thing] = now;
  }
  BusStatus Bad() const { return manager_->Buses().front(); }
  int Pid() const { return Bad().pid; }
  std::uint64_t GoodTrouble() const {
    std::uint64_t trouble = 0;
    for (const BusStatus& bus : manager_->Buses()) {
      if (bus.bus != "bad") trouble += bus.errors + bus.overruns + bus.restarts;
    }
    return trouble;
  }
  bool Until(const std::function<bool()>& done, Duration limit = kLimit) {
    const BootTime end = clock_.Now() + limit;
    bool reached = false;
    std::function<void()> ask = [&] {
      reached = done();
      if (reached || clock_.Now() > end) return loop_.Stop();
      timer_ = loop_.After(1ms, ask);
    };
    timer_ = loop_.After(0ms, ask);
    loop_.context().restart();
    loop_.Run();
    return reached;
  }

  Fault fault_;
  CapturedLog log_;
  SystemClock clock_;
  AsioLoop loop_{clock_};
  TimeTrust trust_{clock_, true, 0};
  SubscriptionPtr timer_;
  std::map<std::string, BootTime> last_;
  bool counting_ = false;
  std::uint64_t late_ = 0, polls_ = 0;
  bool asked_ = false;
  std::vector<BusSettings> buses_ = std::vector<BusSettings>(3);
  std::vector<ThingSettings> things_ = std::vector<ThingSettings>(3);
  std::unique_ptr<BusManager> manager_;
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int Main(int repetitions) {
  log::SetLevel(log::Level::kWarning);
  PathSettings paths;
  paths.driver_host = DRIVER_HOST;
  paths.drivers = DRIVERS_FOLDER;
  fmt::print(
      "| fault | polls the other buses lost | its bus is back after (median of {}) | what the operator reads |\n",
      repetitions);
  fmt::print("|---|---|---|---|\n");
  for (const Fault& fault : kFaults) {
    std::vector<double> back;
    std::uint64_t lost = 0, polls = 0;
    std::string reason;
    for (int i = 0; i < repetitions; ++i) {
      const auto outcome = Run(paths, fault).Do();
      if (!outcome) {
        fmt::print("| {} | ? | does not come back within 40 s | |\n", fault.words);
        return 1;
      }
      lost += outcome->lost;
      polls += outcome->polls;
      back.push_back(outcome->back_ms);
      reason = outcome->reason;
    }
    const double median = Median(back);
    fmt::print("| {} | {} of {} | {} | {} |\n", fault.words, lost, polls,
               median > 0 ? fmt::format("{:.0f} ms", median) : "never away", reason.empty() ? "-" : reason);
  }
  return 0;
}

}  // namespace
}  // namespace penumbra

int main(int argc, char** argv) {
  return penumbra::Main(argc > 1 ? std::max(1, std::atoi(argv[1])) : 3);
}
