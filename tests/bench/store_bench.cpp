// What the store costs: bytes written to disk per reading and readings per second at 1 to 1000 readings per commit,
// acks included; the same blobs written by a bare program in the same run; how a large backlog opens and drains; and
// how long a query over a day of one thing takes. Medians of several runs. Not a test: nothing here fails because of a
// figure. Process bytes are /proc/self/io write_bytes (what the kernel was asked to write, whole pages), store bytes
// are what SQLite handed to the file system, device bytes are what the whole machine wrote to the disk meanwhile
// (sectors of /sys/dev/block/<disk>/stat).
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/program_options.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <mutex>
#include <utility>

#include "event/clock.hpp"
#include "event/loop.hpp"
#include "store/codec.hpp"
#include "store/database.hpp"
#include "store/store.hpp"

namespace penumbra {
namespace {

using Steady = std::chrono::steady_clock;

// The smallest loop that carries the store's posts: no timers, driven by hand.
class BenchLoop : public EventLoop {
 public:
  void Post(std::function<void()> handler) override {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(handler));
    wake_.notify_one();
  }
  SubscriptionPtr After(Duration, std::function<void()>) override { return nullptr; }
  SubscriptionPtr WhenReadable(int, std::function<void()>) override { return nullptr; }
  Clock& clock() override { return clock_; }

  void RunUntil(const std::function<bool()>& done) {
    while (!done()) {
      std::vector<std::function<void()>> ready;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return !posted_.empty(); });
        ready.swap(posted_);
      }
      for (const auto& handler : ready) handler();
    }
  }

 private:
  SystemClock clock_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::function<void()>> posted_;
};

std::uint64_t ProcessWriteBytes() {
  std::ifstream io("/proc/self/io");
  std::string key;
  std::uint64_t value = 0;
  while (io >> key >> value) {
    if (key == "write_bytes:") return value;
  }
  return 0;
}

// 0: the file system is on no disk of its own (tmpfs, overlay).
std::uint64_t DeviceBytes(const std::filesystem::path& folder) {
  struct stat at {};
  if (::stat(folder.c_str(), &at) != 0) return 0;
  std::ifstream stat("/sys/dev/block/" + std::to_string(major(at.st_dev)) + ":" + std::to_string(minor(at.st_dev)) +
                     "/stat");
  std::uint64_t value = 0;
  for (int field = 0; field < 7 && stat >> value; ++field) {
  }
  return stat ? value * 512 : 0;
}

std::uint64_t ResidentKib() {
  std::ifstream status("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  status >> total >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) / 1024;
}

double Seconds(Steady::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

Reading Sample(int thing, std::int64_t tick, std::int64_t base_ms) {
  Reading reading;
  reading.thing = "sensor-" + std::to_string(100 + thing);
  reading.unix_ms = base_ms + tick * 1000 + thing * 7;
  reading.boot_ns = tick * 1'000'000'000 + thing * 7'000'000 + (tick * 7919 + thing * 104'729) % 1'000'000;
  reading.boot_id = "4be83dd2-3f8b-4f5c-a4a6-1d0a2d2b9a11";
  const double drift = static_cast<double>((tick * 13 + thing * 7) % 40);
  reading.values = {{"temperature", (200.0 + drift) / 10, Quality::kGood, ""}};
  return reading;
}

class Bench {
 public:
  explicit Bench(std::filesystem::path folder) : folder_(std::move(folder)) {
    std::filesystem::create_directories(folder_);
  }
  ~Bench() {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  void Open() {
    store_.reset();
    Store::Options options;
    options.file = folder_ / "bench.db";
    options.settings.commit_interval = std::chrono::hours(1);  // commits come from Flush
    options.settings.max_size = 8ULL << 30;
    options.settings.min_free = 0;
    // A second a commit: what the store does in the background comes in between as it does in the field.
    options.now = [this] { return began_ + std::chrono::seconds(second_.load()); };
    auto opened = Store::Open(options, loop_);
    if (!opened) {
      std::fprintf(stderr, "%s\n", opened.error().message.c_str());
      std::exit(1);
    }
    store_ = std::move(*opened);
    store_->OnCommitted([this](const std::vector<Reading>& readings) {
      if (!ack_) return;
      for (const Reading& reading : readings) store_->Acked(reading.thing, reading.seq);
    });
  }

  void Commit(int readings, int things, std::int64_t& tick) {
    for (int i = 0; i < readings; ++i) {
      const std::int64_t n = tick++;
      store_->Append(Sample(static_cast<int>(n % things), n / things, 1'763'841'600'000));
    }
    ++second_;
    bool done = false;
    store_->Flush([&done](const Status& status) {
      if (!status) std::fprintf(stderr, "commit failed: %s\n", status.error().message.c_str());
      done = true;
    });
    loop_.RunUntil([&done] { return done; });
  }

  std::vector<Reading> Unsent(const std::string& thing, std::uint64_t after, std::size_t limit) {
    std::optional<std::vector<Reading>> answer;
    store_->ReadUnsent(thing, after, limit, [&answer](Result<std::vector<Reading>> r) {
      answer = r ? std::move(*r) : std::vector<Reading>();
    });
    loop_.RunUntil([&answer] { return answer.has_value(); });
    return std::move(*answer);
  }

  std::vector<StoredReading> Query(ReadingQuery query) {
    std::optional<std::vector<StoredReading>> answer;
    store_->Query(std::move(query), [&answer](Result<std::vector<StoredReading>> r) {
      answer = r ? std::move(*r) : std::vector<StoredReading>();
    });
    loop_.RunUntil([&answer] { return answer.has_value(); });
    return std::move(*answer);
  }

  Store& store() { return *store_; }
  void Close() { store_.reset(); }
  void set_ack(bool ack) { ack_ = ack; }

 private:
  std::filesystem::path folder_;
  BenchLoop loop_;
  std::unique_ptr<Store> store_;
  bool ack_ = true;
  const Steady::time_point began_ = Steady::now();
  std::atomic<int> second_{0};
};

struct WriteFigures {
  int per_commit;
  double process_bytes, store_bytes, file_bytes, per_second, commit_ms, device_bytes;
  double bare_process_bytes, bare_per_second;
};

struct BareFigures {
  double process_bytes, per_second;
};

// What a program without any of our bookkeeping would write: the same packed blobs, a row each, nothing else, with the
// same page size, WAL and checkpoints. No acks, no block directory, no seq mark.
BareFigures WriteBare(const std::filesystem::path& folder, int per_commit, int commits, int things = 100) {
  std::filesystem::create_directories(folder);
  auto opened = Database::Open({.file = folder / "bare.db", .vfs = {}}, nullptr);
  if (!opened) {
    std::fprintf(stderr, "%s\n", opened.error().message.c_str());
    std::exit(1);
  }
  std::unique_ptr<Database> database = std::move(*opened);
  if (!database->Execute("CREATE TABLE blob_row(id INTEGER PRIMARY KEY, data BLOB)")) std::exit(1);
  Dictionary dictionary;
  std::int64_t tick = 0;
  std::vector<std::string> blobs;
  for (int i = 0; i < commits; ++i) {
    std::vector<Reading> readings;
    for (int r = 0; r < per_commit; ++r, ++tick)
      readings.push_back(Sample(static_cast<int>(tick % things), tick / things, 1'763'841'600'000));
    std::stable_sort(readings.begin(), readings.end(),
                     [](const Reading& a, const Reading& b) { return a.thing < b.thing; });
    std::map<std::string, std::uint64_t> next;
    for (Reading& reading : readings) {
      std::uint64_t& seq = next[reading.thing];
      if (seq == 0) seq = static_cast<std::uint64_t>(1'763'841'600'000 + tick / things);
      reading.seq = seq++;
    }
    blobs.push_back(EncodeRow(readings, {}, dictionary));
  }
  const std::uint64_t before = ProcessWriteBytes();
  const auto began = Steady::now();
  for (const std::string& blob : blobs) {
    bool done = static_cast<bool>(database->Begin());
    if (auto insert = database->Prepare("INSERT INTO blob_row(data) VALUES(?)"); done && insert) {
      done = static_cast<bool>(insert->BindBlob(1, blob).Run());
    }
    if (!done || !database->Commit()) std::exit(1);
    if (database->WantsCheckpoint() && !database->Checkpoint(false)) std::exit(1);
  }
  const double took = Seconds(Steady::now() - began);
  database.reset();
  const double readings = static_cast<double>(per_commit) * commits;
  const BareFigures figures{static_cast<double>(ProcessWriteBytes() - before) / readings, readings / took};
  std::filesystem::remove_all(folder);
  return figures;
}

WriteFigures MeasureWrites(const std::filesystem::path& folder, int per_commit, int commits, int runs) {
  std::vector<double> process, store, file, rate, commit, device, bare_bytes, bare_rate;
  for (int run = 0; run < runs; ++run) {
    const BareFigures bare = WriteBare(folder.string() + ".bare", per_commit, commits);
    bare_bytes.push_back(bare.process_bytes);
    bare_rate.push_back(bare.per_second);
    Bench bench(folder);
    bench.Open();
    std::int64_t tick = 0;
    const std::uint64_t device_before = DeviceBytes(folder);
    bench.Commit(per_commit, 100, tick);  // names are written once
    const std::uint64_t io_before = ProcessWriteBytes();
    const std::uint64_t store_before = bench.store().Stats().written_bytes;
    const auto began = Steady::now();
    for (int i = 0; i < commits; ++i) bench.Commit(per_commit, 100, tick);
    const double took = Seconds(Steady::now() - began);
    const double readings = static_cast<double>(per_commit) * commits;
    store.push_back(static_cast<double>(bench.store().Stats().written_bytes - store_before) / readings);
    file.push_back(static_cast<double>(bench.store().Stats().file_bytes) / readings);
    bench.Close();  // with its checkpoint: what was put off counts
    process.push_back(static_cast<double>(ProcessWriteBytes() - io_before) / readings);
    device.push_back(static_cast<double>(DeviceBytes(folder) - device_before) / readings);
    rate.push_back(readings / took);
    commit.push_back(1000 * took / commits);
  }
  return {per_commit,     Median(process), Median(store),      Median(file),     Median(rate),
          Median(commit), Median(device),  Median(bare_bytes), Median(bare_rate)};
}

struct BacklogFigures {
  std::uint64_t readings = 0;
  double open_s = 0, drain_per_second = 0;
  std::uint64_t grown_kib = 0;
  bool in_order = true;
};

BacklogFigures MeasureBacklog(const std::filesystem::path& folder, std::uint64_t readings) {
  constexpr int kThings = 100;
  constexpr std::size_t kWindow = 100;
  Bench bench(folder);
  bench.set_ack(false);
  bench.Open();
  std::int64_t tick = 0;
  while (static_cast<std::uint64_t>(tick) < readings) bench.Commit(200, kThings, tick);
  bench.Close();
  BacklogFigures figures;
  const std::uint64_t before_kib = ResidentKib();
  auto began = Steady::now();
  bench.Open();
  figures.open_s = Seconds(Steady::now() - began);
  began = Steady::now();
  std::vector<std::uint64_t> after(kThings, 0);
  for (bool any = true; any;) {
    any = false;
    for (int thing = 0; thing < kThings; ++thing) {
      const std::string name = "sensor-" + std::to_string(100 + thing);
      std::uint64_t& seq = after[static_cast<std::size_t>(thing)];
      for (const Reading& reading : bench.Unsent(name, seq, kWindow)) {
        figures.in_order &= seq == 0 || reading.seq == seq + 1;
        seq = reading.seq;
        bench.store().Acked(name, seq);
        ++figures.readings;
        any = true;
      }
    }
    figures.grown_kib = std::max(figures.grown_kib, ResidentKib() - std::min(before_kib, ResidentKib()));
  }
  figures.drain_per_second = static_cast<double>(figures.readings) / Seconds(Steady::now() - began);
  return figures;
}

// A day of one reading a second of each of fifty things, one commit a second, acknowledged; then questions about one of
// them, before the store has packed it in the background and afterwards.
struct HistoryFigures {
  int seconds = 0;
  int things = 0;
  double newest_second_ms = 0;  // the newest 1000 right after the last commit, in part not packed yet
  // Packing and acks included, until the store was closed.
  double store_bytes = 0, process_bytes = 0, device_bytes = 0;
  double bare_process_bytes = 0;  // of the bare program, in the same run
  double file_bytes = 0;
  std::uint64_t blocks = 0;
  std::uint64_t found = 0;
  double first_page_ms = 0, newest_ms = 0, all_ms = 0;
};

std::uint64_t Ask(Bench& bench, ReadingQuery query, double& took_ms, std::uint64_t& last_seq) {
  const auto began = Steady::now();
  const std::vector<StoredReading> rows = bench.Query(std::move(query));
  took_ms += 1000 * Seconds(Steady::now() - began);
  if (!rows.empty()) last_seq = rows.back().reading.seq;
  return rows.size();
}

// The store packs a block at a time when it has nothing better to do.
void WaitForPacking(Bench& bench) {
  std::int64_t no_tick = 0;
  std::uint64_t packed = 0;
  for (int quiet = 0; quiet < 30; ++quiet) {
    bench.Commit(0, 1, no_tick);
    if (std::exchange(packed, bench.store().Stats().packed_blocks) != packed) quiet = 0;
  }
}

HistoryFigures MeasureHistory(const std::filesystem::path& folder, int seconds, int things, int runs) {
  HistoryFigures figures{.seconds = seconds, .things = things};
  if (seconds == 0) return figures;
  const double values = static_cast<double>(seconds) * things;
  figures.bare_process_bytes = WriteBare(folder.string() + ".bare", things, seconds, things).process_bytes;
  Bench bench(folder);
  const std::uint64_t device_before = DeviceBytes(folder);
  const std::uint64_t process_before = ProcessWriteBytes();
  bench.Open();
  std::int64_t tick = 0;
  for (int i = 0; i < seconds; ++i) bench.Commit(things, things, tick);
  std::uint64_t ignored = 0;
  Ask(bench, {.thing = "sensor-107", .newest_first = true}, figures.newest_second_ms, ignored);
  WaitForPacking(bench);
  const StoreStats after = bench.store().Stats();
  figures.store_bytes = static_cast<double>(after.written_bytes) / values;
  figures.file_bytes = static_cast<double>(after.file_bytes - after.wal_bytes) / values;
  figures.blocks = after.packed_blocks;
  bench.Close();  // with its checkpoint: what was put off counts
  figures.process_bytes = static_cast<double>(ProcessWriteBytes() - process_before) / values;
  figures.device_bytes = static_cast<double>(DeviceBytes(folder) - device_before) / values;
  bench.Open();
  const std::int64_t begin_ms = 1'763'841'600'000;
  const ReadingQuery day{.thing = "sensor-107", .since_ms = begin_ms, .until_ms = begin_ms + seconds * 1000LL};
  std::vector<double> first, newest, all;
  for (int run = 0; run < runs; ++run) {
    std::uint64_t last = 0;
    ReadingQuery query = day;
    query.since_ms += seconds * 500LL;  // somewhere in the middle
    Ask(bench, query, first.emplace_back(), last);
    query = day;
    query.newest_first = true;
    Ask(bench, query, newest.emplace_back(), last);
    query = day;
    query.limit = Store::kMaxQueryRows;
    figures.found = 0;
    all.emplace_back();
    for (std::uint64_t count = 1; count > 0; figures.found += count) {
      count = Ask(bench, query, all.back(), last);
      query.after_seq = last;
    }
  }
  figures.first_page_ms = Median(first);
  figures.newest_ms = Median(newest);
  figures.all_ms = Median(all);
  return figures;
}

void Print(const std::vector<WriteFigures>& writes, const BacklogFigures& backlog, const HistoryFigures& history,
           bool json) {
  if (json) {
    std::printf("{\"writes\":[");
    for (std::size_t i = 0; i < writes.size(); ++i) {
      const WriteFigures& w = writes[i];
      std::printf(
          "%s{\"per_commit\":%d,\"process_bytes\":%.1f,\"store_bytes\":%.1f,\"file_bytes\":%.1f,"
          "\"readings_per_second\":%.0f,\"commit_ms\":%.3f,\"device_bytes\":%.1f,\"bare_process_bytes\":%.1f,"
          "\"bare_readings_per_second\":%.0f}",
          i == 0 ? "" : ",", w.per_commit, w.process_bytes, w.store_bytes, w.file_bytes, w.per_second, w.commit_ms,
          w.device_bytes, w.bare_process_bytes, w.bare_per_second);
    }
    std::printf(
        "],\"backlog\":{\"readings\":%llu,\"open_s\":%.3f,\"drain_per_second\":%.0f,\"grown_kib\":%llu,"
        "\"in_order\":%s},\"history\":{\"seconds\":%d,\"things\":%d,\"blocks\":%llu,\"store_bytes\":%.1f,"
        "\"process_bytes\":%.1f,\"device_bytes\":%.1f,\"bare_process_bytes\":%.1f,\"file_bytes\":%.1f,"
        "\"newest_at_once_ms\":%.2f,"
        "\"found\":%llu,\"page_ms\":%.2f,\"newest_ms\":%.2f,\"all_ms\":%."
        "1f}}\n",
        static_cast<unsigned long long>(backlog.readings), backlog.open_s, backlog.drain_per_second,
        static_cast<unsigned long long>(backlog.grown_kib), backlog.in_order ? "true" : "false", history.seconds,
        history.things, static_cast<unsigned long long>(history.blocks), history.store_bytes, history.process_bytes,
        history.device_bytes, history.bare_process_bytes, history.file_bytes, history.newest_second_ms,
        static_cast<unsigned long long>(history.found), history.first_page_ms, history.newest_ms, history.all_ms);
    return;
  }
  std::printf("%10s %9s %9s %9s %9s %11s %9s %12s %9s\n", "per commit", "process B", "device B", "store B", "file B",
              "readings/s", "commit ms", "bare proc. B", "ours/bare");
  for (const WriteFigures& w : writes) {
    std::printf("%10d %9.1f %9.1f %9.1f %9.1f %11.0f %9.3f %12.1f %9.2f\n", w.per_commit, w.process_bytes,
                w.device_bytes, w.store_bytes, w.file_bytes, w.per_second, w.commit_ms, w.bare_process_bytes,
                w.process_bytes / w.bare_process_bytes);
  }
  std::printf(
      "\nbacklog of %llu readings of 100 things: opens in %.3f s, drains in order (%s) at %.0f readings/s, "
      "resident memory grows by %llu KiB\n",
      static_cast<unsigned long long>(backlog.readings), backlog.open_s, backlog.in_order ? "yes" : "NO",
      backlog.drain_per_second, static_cast<unsigned long long>(backlog.grown_kib));
  if (history.seconds == 0) return;
  std::printf(
      "history of %d things, a reading a second each, %d s, %llu blocks packed: 1000 readings from the middle in %.2f "
      "ms, "
      "the newest 1000 in %.2f ms (%.2f ms right after the last commit), all %llu of one thing in %.1f ms\n",
      history.things, history.seconds, static_cast<unsigned long long>(history.blocks), history.first_page_ms,
      history.newest_ms, history.newest_second_ms, static_cast<unsigned long long>(history.found), history.all_ms);
  std::printf(
      "  bytes a value, packing and acks included: %.1f by the process (%.2f x the bare program's %.1f in this run), "
      "%.1f "
      "on the device, %.1f by the store; %.1f in the file\n",
      history.process_bytes, history.process_bytes / history.bare_process_bytes, history.bare_process_bytes,
      history.device_bytes, history.store_bytes, history.file_bytes);
}

}  // namespace
}  // namespace penumbra

int main(int argc, char** argv) {
  namespace po = boost::program_options;
  po::options_description usage("store_bench");
  usage.add_options()("help", "this text")("json", "one JSON object instead of a table")(
      "dir", po::value<std::string>()->default_value("store_bench.tmp"), "folder on the disk to measure; removed")(
      "runs", po::value<int>()->default_value(3), "runs per figure, of which the median is shown")(
      "commits", po::value<int>()->default_value(1000), "commits per run")(
      "backlog", po::value<std::uint64_t>()->default_value(1'000'000), "readings in the backlog")(
      "things", po::value<int>()->default_value(50), "things of the history")("only-history", "nothing else")(
      "history", po::value<int>()->default_value(0), "seconds of history to ask about (86400: a day); 0: none");
  po::variables_map args;
  try {
    po::store(po::parse_command_line(argc, argv, usage), args);
  } catch (const po::error& error) {
    std::cerr << error.what() << '\n' << usage;
    return 2;
  }
  if (args.count("help") != 0) {
    std::cout << usage;
    return 0;
  }
  const std::filesystem::path folder = args["dir"].as<std::string>();
  std::vector<penumbra::WriteFigures> writes;
  const bool only_history = args.count("only-history") != 0;
  for (const int per_commit : {1, 10, 100, 200, 1000}) {
    if (only_history) break;
    writes.push_back(penumbra::MeasureWrites(folder, per_commit, args["commits"].as<int>(), args["runs"].as<int>()));
  }
  penumbra::BacklogFigures backlog;
  if (!only_history) backlog = penumbra::MeasureBacklog(folder, args["backlog"].as<std::uint64_t>());
  const auto history =
      penumbra::MeasureHistory(folder, args["history"].as<int>(), args["things"].as<int>(), args["runs"].as<int>());
  penumbra::Print(writes, backlog, history, args.count("json") != 0);
  return 0;
}
