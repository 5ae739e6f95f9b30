// A long outage on a small disk: readings at a steady rate into a real store on a file system of 64 MB, no cloud, and
// then the cloud is back. Prints a line of JSON for each minute of the outage and one at the end: the newest reading is
// there, memory stayed flat, gap records arrived. Exit code 1 when one of these is not so.
// Mounts a tmpfs of that size when it may (root); else max_size holds the store to it.
//
//   soak [--minutes 30] [--rate 1000] [--things 100] [--points 6] [--megabytes 64] [--speed 1] [--folder DIR]
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <boost/program_options.hpp>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>
#include <thread>

#include "event/time_trust.hpp"
#include "store/store.hpp"
#include "support/fake_transport.hpp"
#include "support/virtual_loop.hpp"
#include "uplink/uplink.hpp"

namespace po = boost::program_options;

namespace penumbra {
namespace {

using namespace std::chrono_literals;

// How much more memory the last two thirds may take than the first: what the heap does not give back at once. (A batch
// that waits for a block to be thinned is 2 MB.) Growth of 0.15 MB a minute shows in half an hour.
constexpr std::uint64_t kFlatKiB = 3 * 1024;

struct Plan {
  double minutes = 30;
  int rate = 1000;
  int things = 100;
  std::uint64_t megabytes = 64;
  int points = 6;
  double speed = 1;  // seconds of the outage in a second of ours
  std::string folder;
};

std::uint64_t ResidentKiB() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) / 1024;
}

// Of its own mount namespace, so that nothing is left behind.
bool MountSmall(const std::string& folder, std::uint64_t megabytes) {
  const std::string options = "size=" + std::to_string(megabytes) + "m";
  return ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("tmpfs", folder.c_str(), "tmpfs", 0, options.c_str()) == 0;
}

class Soak {
 public:
  explicit Soak(const Plan& plan) : plan_(plan), transport_(loop_) {
    mounted_ = MountSmall(plan.folder, plan.megabytes);
    Store::Options options;
    options.file = std::filesystem::path(plan.folder) / "penumbra.db";
    options.settings.max_size = mounted_ ? 1ULL << 30 : plan.megabytes << 20;
    if (!mounted_) options.settings.min_free = 0;
    const auto began = std::chrono::steady_clock::now();
    options.now = [began, speed = plan.speed] {
      const auto passed = std::chrono::duration<double>(std::chrono::steady_clock::now() - began) * speed;
      return began + std::chrono::duration_cast<std::chrono::steady_clock::duration>(passed);
    };
    store_ = Store::Open(options, loop_).value();
    trust_ = std::make_unique<TimeTrust>(loop_.clock(), false, 0);
    Uplink::Options up;
    up.upstream.endpoint = "cloud.example";
    up.upstream.connect_rate = 1000;
    up.upstream.publish_rate = 100;
    up.state = plan.folder;
    up.seed = 1;
    for (int i = 0; i < plan.things; ++i) things_.push_back(Thing(i));
    uplink_ = Uplink::Create(up, loop_, transport_, *store_, *trust_);
    store_->OnCommitted([this](const std::vector<Reading>& readings) { uplink_->OnCommitted(readings); });
    transport_.reachable = false;
    uplink_->Start({}, things_);
  }

  int Run() {
    const auto seconds = static_cast<int>(plan_.minutes * 60);
    const auto began = std::chrono::steady_clock::now();
    std::uint64_t warm = 0;
    std::uint64_t largest = 0;
    for (int second = 0; second < seconds; ++second) {
      Produce();
      loop_.Advance(1s);
      // What the fake remembers of each attempt is no memory of ours.
      transport_.connects.clear();
      std::this_thread::sleep_until(began + std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                                                std::chrono::duration<double>((second + 1) / plan_.speed)));
      largest = std::max(largest, ResidentKiB());
      // Until then caches and the heap have filled, and thinning has begun.
      if (second == seconds / 3) warm = ResidentKiB();
      if (second % 60 == 59) Tell(second / 60 + 1);
    }
    return Reconnect(warm, largest);
  }

 private:
  ThingSettings Thing(int i) const {
    ThingSettings thing;
    thing.name = "soak-" + std::to_string(i);
    thing.topic = "sensors/" + thing.name + "/temperature";
    for (const char* ending : {".crt", ".key"}) std::ofstream(plan_.folder + "/" + thing.name + ending) << "x";
    thing.certificate = plan_.folder + "/" + thing.name + ".crt";
    thing.private_key = plan_.folder + "/" + thing.name + ".key";
    return thing;
  }

  void Produce() {
    for (int i = 0; i < plan_.rate; ++i) {
      Reading reading;
      reading.thing = things_[static_cast<std::size_t>(i % plan_.things)].name;
      reading.unix_ms = loop_.clock().UnixMs() + i * 1000 / plan_.rate;
      reading.boot_ns = loop_.clock().Now().ns + i;
      reading.boot_id = "soak";
      // Values that do not pack well, so that half an hour of them is more than the file system holds.
      ++produced_;
      for (int point = 0; point < plan_.points; ++point) {
        const double t = 20 + 5 * std::sin(static_cast<double>(produced_) / 5000 + point);
        reading.values.push_back({"point-" + std::to_string(point), t, Quality::kGood, ""});
      }
      newest_ms_ = reading.unix_ms;
      store_->Append(std::move(reading));
    }
  }

  void Tell(int minute) {
    const StoreStats stats = store_->Stats();
    struct statvfs fs {};
    ::statvfs(plan_.folder.c_str(), &fs);
    std::printf(
        R"({"minute":%d,"produced":%llu,"held":%llu,"file_kib":%llu,"wal_kib":%llu,"unused_kib":%llu,"free_kib":%llu,"resident_kib":%llu,)"
        R"("removed_unsent":%llu,"dropped_queue":%llu,"trouble":"%s"})"
        "\n",
        minute, Number(produced_), Number(stats.readings), Number(stats.file_bytes / 1024),
        Number(stats.wal_bytes / 1024), Number(stats.free_bytes / 1024), Number(fs.f_bavail * fs.f_frsize / 1024),
        Number(ResidentKiB()), Number(stats.dropped_unsent), Number(stats.dropped_queue_full), stats.trouble.c_str());
    std::fflush(stdout);
  }

  int Reconnect(std::uint64_t warm, std::uint64_t largest) {
    bool flushed = false;
    store_->Flush([&flushed](const Status& done) { flushed = done.has_value(); });
    for (int i = 0; i < 100 && !flushed; ++i) {
      loop_.Advance(10ms);
      std::this_thread::sleep_for(10ms);
    }
    std::int64_t newest = 0;
    std::uint64_t unsent = 0;
    for (const ThingSettings& thing : things_) {
      newest = std::max(newest, store_->Outbox(thing.name).newest_ms);
      unsent += store_->Outbox(thing.name).unsent;
    }
    transport_.reachable = true;
    std::set<std::string> told;
    std::string first;
    for (int i = 0; i < 2000 && told.size() < things_.size(); ++i) {
      loop_.Advance(100ms);
      std::this_thread::sleep_for(1ms);
      for (const auto& message : transport_.published) {
        if (!message.topic.ends_with("/gap")) continue;
        if (first.empty()) first = message.payload;
        told.insert(message.client_id);
      }
      transport_.published.clear();
    }
    const bool removed = store_->Stats().dropped_unsent > 0;
    const bool kept = newest == newest_ms_;
    const bool flat = largest < warm + kFlatKiB;
    std::printf(R"({"file_system":"%s","newest_kept":%s,"memory_flat":%s,"resident_after_a_third_kib":%llu,)"
                R"("resident_largest_kib":%llu,"unsent":%llu,"removed_unsent":%llu,"things_told_of_a_gap":%zu,)"
                R"("gap_record":%s})"
                "\n",
                mounted_ ? "tmpfs" : "max_size", kept ? "true" : "false", flat ? "true" : "false", Number(warm),
                Number(largest), Number(unsent), Number(store_->Stats().dropped_unsent), told.size(),
                first.empty() ? "null" : first.c_str());
    return flushed && kept && flat && (!removed || told.size() == things_.size()) ? 0 : 1;
  }

  static unsigned long long Number(std::uint64_t value) { return value; }

  const Plan plan_;
  bool mounted_ = false;
  test::VirtualLoop loop_;
  test::FakeTransport transport_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<TimeTrust> trust_;
  std::vector<ThingSettings> things_;
  std::unique_ptr<Uplink> uplink_;
  std::uint64_t produced_ = 0;
  std::int64_t newest_ms_ = 0;
};

}  // namespace
}  // namespace penumbra

int main(int argc, char** argv) {
  penumbra::Plan plan;
  po::options_description options("soak");
  options.add_options()("help", "this text")("minutes", po::value(&plan.minutes)->default_value(plan.minutes), "")(
      "rate", po::value(&plan.rate)->default_value(plan.rate), "readings a second")(
      "things", po::value(&plan.things)->default_value(plan.things), "")(
      "points", po::value(&plan.points)->default_value(plan.points), "of each reading")(
      "megabytes", po::value(&plan.megabytes)->default_value(plan.megabytes), "size of the file system")(
      "speed", po::value(&plan.speed)->default_value(plan.speed), "seconds of the outage in one of ours")(
      "folder", po::value(&plan.folder), "an empty folder; default: a temporary one");
  po::variables_map given;
  try {
    po::store(po::parse_command_line(argc, argv, options), given);
    po::notify(given);
  } catch (const po::error& error) {
    std::cerr << error.what() << "\n" << options;
    return 2;
  }
  if (given.count("help") > 0) {
    std::cout << options;
    return 0;
  }
  std::string made = "/tmp/penumbra-soak-XXXXXX";
  if (plan.folder.empty()) plan.folder = ::mkdtemp(made.data()) != nullptr ? made : std::string("/tmp");
  return penumbra::Soak(plan).Run();
}
