// Bits that flip and files that lose their end, in the database, its WAL and the sequence mark: the store opens or sets
// the file aside, gives no reading that was not stored so, and no seq twice.
#include <cstdio>
#include <random>

#include "base/log.hpp"
#include "disk_bench.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;
using test::DiskBench;
using test::DiskImage;
using test::ModelDisk;

constexpr const char* kThings[] = {"boiler", "pump", "roof"};

struct Life {
  DiskImage image;
  std::map<std::pair<std::string, std::uint64_t>, Reading> readings;
  std::map<std::string, std::uint64_t> newest;
};

// Blocks by commit, packed and thinned ones, and a WAL that was not checkpointed.
Life MakeLife() {
  Life life;
  ModelDisk disk;
  DiskBench bench(disk, 48 * 1024);
  EXPECT_TRUE(bench.Open());
  std::mt19937_64 random(7);
  for (int i = 0; i < 360; ++i) {
    for (const char* thing : kThings) bench.Push(thing, static_cast<double>(random() % 100'000));
    bench.Run(200ms);
    for (const Reading& reading : bench.committed) {
      life.readings[{reading.thing, reading.seq}] = reading;
      life.newest[reading.thing] = reading.seq;
      if (i < 120 || i % 3 == 0) bench.worker().PushAck(reading.thing, reading.seq);
    }
    bench.committed.clear();
  }
  bench.Run(5s);
  EXPECT_GT(bench.stats().packed_blocks, 0u);
  EXPECT_GT(bench.stats().dropped_unsent, 0u);
  life.image = disk.Contents();
  return life;
}

struct Tally {
  int cases = 0, whole = 0, less = 0, set_aside = 0, salvaged = 0;
  std::vector<std::string> wrong;
};

void Damage(std::string& bytes, std::mt19937_64& random, int kind) {
  if (bytes.empty()) return;
  const std::size_t at = random() % bytes.size();
  switch (kind) {
    case 0:  // a bit
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
      return;
    case 1:  // eight of them
      for (int i = 0; i < 8; ++i) {
        char& byte = bytes[random() % bytes.size()];
        byte = static_cast<char>(byte ^ (1 << random() % 8));
      }
      return;
    case 2:  // a sector of something else
      for (std::size_t i = at / 512 * 512; i < std::min(bytes.size(), at / 512 * 512 + 512); ++i) {
        bytes[i] = static_cast<char>(random());
      }
      return;
    default:
      bytes.resize(at);
  }
}

void CheckCase(const Life& life, const std::string& what, DiskImage image, Tally& tally) {
  tally.cases += 1;
  const auto wrong = [&](const std::string& why) { tally.wrong.push_back(what + ": " + why); };
  ModelDisk disk(image);
  DiskBench bench(disk, 1 << 20);
  const Status opened = bench.Open();
  if (!opened) return wrong("does not open: " + opened.error().message);
  bench.FinishSalvage();
  std::size_t found = 0;
  for (int attempt = 0; attempt < 2; ++attempt) {
    found = 0;
    bool failed = false;
    for (const char* thing : kThings) {
      const auto all = bench.All(thing);
      // Damage that shows only now: the store opens the file again, or sets it aside.
      if (!all) {
        bench.Run(30s);
        bench.FinishSalvage();
        failed = true;
        continue;
      }
      for (const StoredReading& stored : *all) {
        const auto known = life.readings.find({thing, stored.reading.seq});
        if (known == life.readings.end() || !(known->second == stored.reading)) {
          wrong(std::string(thing) + " has a reading that was never stored so");
        }
        ++found;
      }
    }
    if (!failed) break;
  }
  if (bench.stats().salvaging) return wrong("the salvage does not end: " + bench.stats().trouble);
  const auto before = bench.committed.size();
  for (const char* thing : kThings) bench.worker().PushReading(DiskBench::MakeReading(thing, 5, 1), 5);
  for (int second = 0; second < 60 && bench.committed.size() < before + 3; ++second) bench.Run(1s);
  if (bench.committed.size() != before + 3) wrong("commits nothing any more: " + bench.stats().trouble);
  for (const Reading& reading : bench.committed) {
    if (reading.seq <= life.newest.at(reading.thing)) wrong(reading.thing + " gives a seq again");
  }
  bool aside = false;
  for (const auto& [name, bytes] : disk.Contents()) aside |= name.find(".damaged-") != std::string::npos;
  tally.set_aside += aside ? 1 : 0;
  tally.salvaged += bench.stats().salvaged > 0 ? 1 : 0;
  tally.whole += found > 0 && !aside ? 1 : 0;
}

struct Quiet {
  Quiet() { log::SetLevel(static_cast<log::Level>(0)); }
  ~Quiet() { log::SetLevel(log::Level::kInfo); }
};

TEST(Damage, NeverCrashesTheStoreNorGivesAWrongValueNorASeqTwice) {
  const Quiet quiet;
  const Life life = MakeLife();
  Tally tally;
  std::mt19937_64 random(11);
  const std::pair<const char*, int> files[] = {{"", 260}, {"-wal", 120}, {".seq", 40}};
  for (const auto& [ending, cases] : files) {
    const std::string name = std::string(DiskBench::kFile) + ending;
    ASSERT_TRUE(life.image.contains(name)) << name;
    for (int i = 0; i < cases; ++i) {
      DiskImage image = life.image;
      Damage(image[name], random, i % 4);
      CheckCase(life, name + " case " + std::to_string(i), std::move(image), tally);
    }
  }
  std::printf("%d damaged stores: %d went on with the file, %d set it aside, of %d of these readings came back\n",
              tally.cases, tally.whole, tally.set_aside, tally.salvaged);
  for (std::size_t i = 0; i < std::min<std::size_t>(tally.wrong.size(), 20); ++i) ADD_FAILURE() << tally.wrong[i];
  EXPECT_EQ(tally.wrong.size(), 0u);
  EXPECT_EQ(tally.cases, 420);
  EXPECT_GT(tally.whole, 50);
  EXPECT_GT(tally.set_aside, 20);
  EXPECT_GT(tally.salvaged, 10);
}

}  // namespace
}  // namespace penumbra
