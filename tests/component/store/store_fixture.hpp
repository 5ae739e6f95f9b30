// A store in a folder of its own, on virtual time with its real thread.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/database.hpp"
#include "store/store.hpp"
#include "support/virtual_loop.hpp"

namespace penumbra::test {

// Every test gets its own folder, so that they can run side by side; it is removed afterwards.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "penumbra-store-XXXXXX").string();
    path_ = ::mkdtemp(name.data()) != nullptr ? name : std::string();
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline Reading MakeReading(const std::string& thing, std::int64_t unix_ms, double value) {
  Reading reading;
  reading.thing = thing;
  reading.unix_ms = unix_ms;
  reading.boot_ns = unix_ms * 1'000'000 + 123'456;
  reading.boot_id = "boot-1";
  reading.values = {{"temperature", value, Quality::kGood, ""}, {"humidity", 51.2, Quality::kGood, ""}};
  return reading;
}

class StoreFixture : public testing::Test {
 protected:
  StoreFixture() {
    options.file = folder.path() / "penumbra.db";
    options.settings.commit_interval = Duration::zero();
    options.settings.min_free = 0;  // the test machine's disk is none of our business
  }

  Status Open() {
    store.reset();
    auto opened = Store::Open(options, loop);
    if (!opened) return Fail(opened.error());
    store = std::move(*opened);
    store->OnCommitted([this](const std::vector<Reading>& readings) {
      committed.insert(committed.end(), readings.begin(), readings.end());
    });
    return {};
  }
  void MustOpen() {
    const Status opened = Open();
    ASSERT_TRUE(opened) << opened.error().message;
  }

  // What `ask` answers. An answer that comes too late finds its place all the same: it is shared.
  template <typename T>
  T Answer(const std::function<void(std::function<void(T)>)>& ask) {
    const auto result = std::make_shared<std::optional<T>>();
    ask([result](T answer) { *result = std::move(answer); });
    if (!loop.RunUntil([&result] { return result->has_value(); })) return penumbra::Fail(Action::kRetry, kNoAnswer);
    return **result;
  }
  static constexpr const char* kNoAnswer = "no answer";

  Status Flush() {
    return Answer<Status>([this](auto done) { store->Flush(std::move(done)); });
  }
  void MustFlush() {
    const Status flushed = Flush();
    ASSERT_TRUE(flushed) << flushed.error().message;
  }

  std::vector<Reading> Unsent(const std::string& thing, std::uint64_t after = 0, std::size_t limit = 1000) {
    const auto read = Answer<Result<std::vector<Reading>>>(
        [&](auto done) { store->ReadUnsent(thing, after, limit, std::move(done)); });
    EXPECT_TRUE(read || read.error().message != kNoAnswer);
    return read ? *read : std::vector<Reading>();
  }
  // All of them, however many reads it takes.
  std::vector<Reading> AllUnsent(const std::string& thing) {
    std::vector<Reading> all;
    for (;;) {
      const std::vector<Reading> part = Unsent(thing, all.empty() ? 0 : all.back().seq);
      if (part.empty()) return all;
      all.insert(all.end(), part.begin(), part.end());
    }
  }
  std::vector<StoredReading> Query(ReadingQuery query) {
    const auto found =
        Answer<Result<std::vector<StoredReading>>>([&](auto done) { store->Query(std::move(query), std::move(done)); });
    EXPECT_TRUE(found || found.error().message != kNoAnswer);
    return found ? *found : std::vector<StoredReading>();
  }

  // `count` readings of a thing, a second apart, in commits of `per_commit`.
  void Fill(const std::string& thing, int count, int per_commit = 10) {
    for (int i = 0; i < count; ++i) {
      store->Append(MakeReading(thing, next_ms += 1000, 20 + (i % 50) * 0.1));
      if (i % per_commit == per_commit - 1) MustFlush();
    }
    MustFlush();
  }

  TempFolder folder;
  VirtualLoop loop;
  Store::Options options;
  std::unique_ptr<Store> store;
  std::vector<Reading> committed;
  std::int64_t next_ms = 1'700'000'000'000;
};

}  // namespace penumbra::test
