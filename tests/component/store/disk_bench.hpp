// A store's worker on a model disk and virtual time, without a thread: for tests that break the disk under it.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/store_worker.hpp"
#include "support/model_disk.hpp"
#include "support/stored_readings.hpp"

namespace penumbra::test {

class DiskBench {
 public:
  static constexpr const char* kFile = "/store/penumbra.db";

  explicit DiskBench(ModelDisk& disk, std::uint64_t max_size = 1 << 20, std::optional<std::uint64_t> min_free = 0)
      : disk_(disk) {
    Store::Options options;
    options.file = kFile;
    options.settings.commit_interval = Duration::zero();
    options.settings.max_size = max_size;
    options.settings.min_free = min_free;
    options.vfs = disk.vfs();
    options.files = &disk;
    options.now = [this] { return now_; };
    worker_ = std::make_shared<StoreWorker>(options);
  }

  Status Open() {
    const Status opened = worker_->Open();
    if (!opened) return opened;
    worker_->Attach([this](WorkerReport report) {
      for (Reading& reading : report.readings) committed.push_back(std::move(reading));
      if (report.gaps) gaps = std::move(*report.gaps);
      for (const auto& done : report.done) done();
    });
    return {};
  }
  StoreWorker& worker() { return *worker_; }
  const StoreStats& stats() const { return worker_->stats(); }

  static Reading MakeReading(const std::string& thing, std::int64_t unix_ms, double value) {
    Reading reading;
    reading.thing = thing;
    reading.unix_ms = unix_ms;
    reading.boot_ns = unix_ms * 1'000'000 + 77;
    reading.boot_id = "boot-1";
    for (const char* point : {"temperature", "humidity", "pressure"}) {
      reading.values.push_back({point, value /= 7, Quality::kGood, ""});
    }
    return reading;
  }
  void Push(const std::string& thing, double value) { Push(MakeReading(thing, 0, value)); }
  // At the next second.
  void Push(Reading reading) {
    wall_ms_ += 1000;
    reading.unix_ms = wall_ms_;
    reading.boot_ns = wall_ms_ * 1'000'000 + 77;
    worker_->PushReading(std::move(reading), wall_ms_);
  }
  void Advance(Duration time) { now_ += time; }
  // What is due for `time`, in steps of 100 ms.
  void Run(Duration time) {
    for (Duration passed{}; passed < time; passed += std::chrono::milliseconds(100)) {
      now_ += std::chrono::milliseconds(100);
      worker_->Turn();
    }
  }
  void FinishSalvage() {
    for (int i = 0; i < 300 && worker_->stats().salvaging; ++i) Run(std::chrono::milliseconds(100));
  }

  Result<std::vector<StoredReading>> All(const std::string& thing) { return AllOf(*worker_, thing); }

  std::vector<Reading> committed;
  std::vector<Gap> gaps;

 private:
  ModelDisk& disk_;
  std::chrono::steady_clock::time_point now_{};
  std::int64_t wall_ms_ = 1'700'000'000'000;
  std::shared_ptr<StoreWorker> worker_;
};

inline std::uint64_t BytesOn(const ModelDisk& disk) {
  std::uint64_t used = 0;
  for (const auto& [name, bytes] : disk.Contents()) used += bytes.size();
  return used;
}

}  // namespace penumbra::test
