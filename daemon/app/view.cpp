#include "app/view.hpp"

#include <unistd.h>

#include <fstream>

#include "base/version.hpp"

namespace penumbra {
namespace {

// proc(5), /proc/pid/statm: the second number is resident pages. 0 when it cannot be read.
std::uint64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  statm >> total >> resident;
  return statm ? resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

// proc(5), /proc/pid/io: what this process made the kernel write, whole pages. 0 when it cannot be read.
std::uint64_t WrittenBytes() {
  std::ifstream io("/proc/self/io");
  std::string key;
  std::uint64_t value = 0;
  while (io >> key >> value) {
    if (key == "write_bytes:") return value;
  }
  return 0;
}

}  // namespace

View::View(const LoadedConfig& loaded, std::filesystem::path config_file, AsioLoop& loop, TimeTrust& time_trust,
           Store& store, BusManager& buses, Uplink& uplink)
    : loaded_(loaded),
      config_file_(std::move(config_file)),
      loop_(loop),
      time_trust_(time_trust),
      store_(store),
      buses_(&buses),
      uplink_(uplink),
      started_(loop.Now()) {}

api::GatewayInfo View::Info() const {
  api::GatewayInfo info;
  info.version = kVersion;
  info.clock_trusted = time_trust_.Trusted();
  info.clock = time_trust_.Status();
  info.now_ms = info.clock.now_ms;
  info.uptime = loop_.Now() - started_;
  info.started_ms = info.now_ms - std::chrono::duration_cast<std::chrono::milliseconds>(info.uptime).count();
  info.config_file = config_file_.string();
  info.resident_bytes = ResidentBytes();
  info.written_bytes = WrittenBytes();
  info.longest_handler = loop_.longest_handler();
  return info;
}

std::vector<BusStatus> View::Buses() const {
  return buses_ != nullptr ? buses_->Buses() : std::vector<BusStatus>{};
}

std::optional<ThingStatus> View::Thing(const std::string& thing) const {
  return buses_ != nullptr ? buses_->Thing(thing) : std::nullopt;
}

void View::ReadNow(const std::string& thing, std::function<void(Result<Reading>)> done) {
  if (buses_ == nullptr) return done(Fail(Action::kRetry, "the daemon is stopping"));
  buses_->ReadNow(thing, std::move(done));
}

void View::AskBus(const std::string& bus, const Json& question, Duration timeout,
                  std::function<void(Result<OrderedJson>)> done) {
  if (buses_ == nullptr) return done(Fail(Action::kRetry, "the daemon is stopping"));
  buses_->Ask(bus, question, timeout, std::move(done));
}

}  // namespace penumbra
