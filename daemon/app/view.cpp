#include "app/view.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "base/text.hpp"
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

View::View(const LoadedConfig& loaded, Reloader& reloader, AsioLoop& loop, TimeTrust& time_trust, Store& store,
           BusManager& buses, Uplink& uplink, shadow::Shadows& shadows, identity::CertificateKeeper& keeper)
    : loaded_(loaded),
      reloader_(reloader),
      loop_(loop),
      time_trust_(time_trust),
      store_(store),
      buses_(&buses),
      uplink_(uplink),
      shadows_(shadows),
      keeper_(&keeper),
      started_(loop.Now()) {}

api::GatewayInfo View::Info() const {
  api::GatewayInfo info;
  info.version = kVersion;
  info.clock_trusted = time_trust_.Trusted();
  info.clock = time_trust_.Status();
  info.now_ms = info.clock.now_ms;
  info.uptime = loop_.Now() - started_;
  info.started_ms = info.now_ms - std::chrono::duration_cast<std::chrono::milliseconds>(info.uptime).count();
  info.config = reloader_.State();
  if (health_ != nullptr) info.defender = health_->defender();
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

std::vector<Origin> View::EffectiveConfig() const {
  std::vector<Origin> origins = loaded_.origins;
  for (const ThingSettings& thing : loaded_.settings.things) {
    const shadow::ThingShadows* shadows = shadows_.Find(thing.name);
    if (shadows == nullptr || !shadows->interval_desired()) continue;
    const std::string key = fmt::format("thing.{}.sample_interval", thing.name);
    Origin origin{key, fmt::format("\"{}\"", FormatDuration(shadows->interval())), "shadow (desired)"};
    const auto known =
        std::find_if(origins.begin(), origins.end(), [&key](const Origin& candidate) { return candidate.key == key; });
    if (known == origins.end()) {
      origins.push_back(std::move(origin));
    } else {
      *known = std::move(origin);
    }
  }
  return origins;
}

Result<api::ShadowState> View::Shadow(const std::string& thing, const std::string& name) const {
  const shadow::ThingShadows* shadows = shadows_.Find(thing);
  const shadow::SyncedShadow* found = shadows == nullptr ? nullptr : shadows->Find(name);
  if (found == nullptr) return Fail(Action::kGiveUp, fmt::format("{} has no shadow named \"{}\"", thing, name));
  const shadow::ShadowRow& row = found->row();
  api::ShadowState state;
  state.thing = thing;
  state.name = name;
  state.desired = found->desired();
  state.reported = row.reported_local;
  state.version = row.local_rev;
  state.pending = found->Pending();
  state.cloud_exists = row.mirror.exists;
  state.cloud_version = row.mirror.version;
  state.cloud = {{"desired", row.mirror.desired()}, {"reported", row.mirror.reported()}};
  state.base_desired = row.desired_base;
  state.base_reported = row.reported_base;
  if (Json patch = found->ReportPatch(); !patch.empty()) state.to_send["reported"] = std::move(patch);
  if (!row.desired_pending.empty()) state.to_send["desired"] = row.desired_pending;
  state.blocked = found->blocked();
  return state;
}

std::optional<api::CommandInfo> View::Command(const std::string& thing, const std::string& point) const {
  const shadow::ThingShadows* shadows = shadows_.Find(thing);
  if (shadows == nullptr) return std::nullopt;
  const auto& rows = shadows->commands().rows();
  const auto row = rows.find(point);
  if (row == rows.end()) return std::nullopt;
  api::CommandInfo info;
  info.state = shadow::ToString(row->second.state);
  info.value = row->second.value;
  info.reason = row->second.reason;
  info.version = row->second.version;
  info.superseded = row->second.superseded;
  return info;
}

std::vector<orders::OrderRow> View::OrdersOf(const std::string& thing) const {
  const orders::OrderBook* book = orders_ != nullptr ? orders_->Find(thing) : nullptr;
  if (book == nullptr) return {};
  std::vector<orders::OrderRow> rows = book->rows();
  rows.insert(rows.end(), book->shown().begin(), book->shown().end());
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.seq < b.seq; });
  return rows;
}

std::vector<identity::CertificateState> View::Certificates() const {
  return keeper_ != nullptr ? keeper_->States() : std::vector<identity::CertificateState>{};
}

void View::RotateCertificate(const std::string& thing, const identity::RotationWishes& wishes,
                             std::function<void(Result<identity::Enrolled>)> done) {
  if (keeper_ == nullptr) return done(Fail(Action::kRetry, "the daemon is stopping"));
  keeper_->Rotate(thing, wishes, std::move(done));
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
