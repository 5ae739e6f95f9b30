// The durability contract under SIGKILL: a writer process is killed at random moments, again and again, on the same
// database; after each death the store is opened and compared with everything the writer had said.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include <cmath>
#include <map>
#include <random>
#include <set>

#include "store_fixture.hpp"

namespace penumbra {
namespace {

using test::MakeReading;
using Key = std::pair<int, std::uint64_t>;  // thing, seq

constexpr int kCycles = 50;
constexpr int kThings = 3;

std::string ThingName(int thing) {
  return "sensor-" + std::to_string(thing);
}

// What the writer tells through a pipe, which survives it.
struct Record {
  enum Kind : int { kCommitted, kAcked } kind;
  int thing;
  std::uint64_t seq;
  std::int64_t content;  // of the reading: a number that is never used twice
};

int ThingNumber(const std::string& name) {
  return name.back() - '0';
}

// Runs until it is killed: readings of three things, most of them acknowledged out of order, small commits.
[[noreturn]] void Write(Store::Options options, int pipe, int cycle) {
  test::VirtualLoop loop;
  auto store = Store::Open(options, loop);
  if (!store) ::_exit(3);
  std::mt19937 random(static_cast<unsigned>(cycle));
  std::vector<Record> acked;
  (*store)->OnCommitted([&](const std::vector<Reading>& readings) {
    for (const Reading& reading : readings) {
      const Record record{Record::kCommitted, ThingNumber(reading.thing), reading.seq, reading.unix_ms};
      if (::write(pipe, &record, sizeof record) != sizeof record) ::_exit(4);
      if (random() % 4 == 0) continue;
      (*store)->Acked(reading.thing, reading.seq);
      acked.push_back({Record::kAcked, record.thing, record.seq, 0});
    }
  });
  for (std::int64_t content = cycle * 1'000'000;; ++content) {
    const int thing = static_cast<int>(random() % kThings);
    (*store)->Append(MakeReading(ThingName(thing), content, 20 + static_cast<double>(content % 100) * 0.1));
    loop.RunReady();
    if (content % 16 != 15) continue;
    std::vector<Record> durable = std::exchange(acked, {});
    bool flushed = false;
    (*store)->Flush([&flushed](Status status) { flushed = status.has_value(); });
    if (!loop.RunUntil([&flushed] { return flushed; })) ::_exit(5);
    for (const Record& record : durable) {
      if (::write(pipe, &record, sizeof record) != sizeof record) ::_exit(4);
    }
  }
}

struct KillTest : test::StoreFixture {
  // Starts a writer, kills it a moment after its first sign of life, or first durable ack, and reads what it had said.
  void RunAndKill(int cycle, bool until_acked, int pause_us) {
    int fds[2];
    ASSERT_EQ(::pipe2(fds, O_CLOEXEC), 0);
    const pid_t writer = ::fork();
    ASSERT_GE(writer, 0);
    if (writer == 0) {
      ::close(fds[0]);
      Write(options, fds[1], cycle);
    }
    ::close(fds[1]);
    pollfd ready{fds[0], POLLIN, 0};
    ASSERT_EQ(::poll(&ready, 1, 60'000), 1);
    ::fcntl(fds[0], F_SETPIPE_SZ, 1 << 20);
    for (Record record{}; until_acked && record.kind != Record::kAcked; Note(record)) {
      ASSERT_EQ(::read(fds[0], &record, sizeof record), static_cast<ssize_t>(sizeof record)) << "the writer gave up";
    }
    ::usleep(static_cast<useconds_t>(pause_us));
    ASSERT_EQ(::kill(writer, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(writer, &status, 0), writer);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the writer gave up: " << WEXITSTATUS(status);
    Record record{};
    while (::read(fds[0], &record, sizeof record) == sizeof record) Note(record);
    ::close(fds[0]);
  }

  void Note(const Record& record) {
    const Key key{record.thing, record.seq};
    if (record.kind == Record::kAcked) {
      acked.insert(key);
      return;
    }
    const auto [it, added] = told.emplace(key, record.content);
    EXPECT_TRUE(added) << "seq " << record.seq << " was given twice";
  }

  void Check(int cycle) {
    MustOpen();
    for (int thing = 0; thing < kThings; ++thing) {
      std::map<Key, std::int64_t> stored;
      ReadingQuery query{.thing = ThingName(thing), .since_ms = INT64_MIN, .limit = Store::kMaxQueryRows};
      for (;;) {
        const std::vector<StoredReading> part = Query(query);
        for (const StoredReading& row : part) {
          const Key key{thing, row.reading.seq};
          ASSERT_TRUE(stored.emplace(key, row.reading.unix_ms).second);
          // What is stored but was never told may still become known later: it counts as given.
          const auto [it, added] = told.emplace(key, row.reading.unix_ms);
          ASSERT_EQ(it->second, row.reading.unix_ms) << "seq " << key.second << " has two contents";
          ASSERT_FALSE(acked.contains(key) && !row.sent) << "a durable ack is lost";
        }
        if (part.size() < query.limit) break;
        query.after_seq = part.back().reading.seq;
      }
      for (const auto& [key, content] : told) {
        if (key.first != thing) continue;
        ASSERT_TRUE(stored.contains(key)) << "cycle " << cycle << " lost seq " << key.second;
      }
    }
    store.reset();
  }

  std::map<Key, std::int64_t> told;
  std::set<Key> acked;
};

TEST_F(KillTest, NothingReportedIsLostAndNoSeqIsGivenTwice) {
  std::mt19937 random(4711);
  for (int cycle = 0; cycle < kCycles; ++cycle) {
    // A slow machine needs longer than the pause for an ack: then there would be none.
    RunAndKill(cycle, cycle % 10 == 5, static_cast<int>(random() % 30'000));
    if (HasFatalFailure()) return;
    // Sometimes the next writer recovers by itself.
    if (cycle % 3 == 0) Check(cycle);
    if (HasFatalFailure()) return;
  }
  Check(kCycles);
  EXPECT_GT(told.size(), static_cast<std::size_t>(kCycles)) << "the writers wrote nothing: the test proves nothing";
  EXPECT_FALSE(acked.empty());
  std::printf("%zu readings, %zu durable acks, %d kills\n", told.size(), acked.size(), kCycles);
}

}  // namespace
}  // namespace penumbra
