#include "store/codec.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace penumbra {
namespace {

using Kind = Dictionary::Kind;

std::vector<Reading> DecodeAll(const std::string& blob, const Dictionary& dictionary) {
  const Result<RowHeader> header = DecodeHeader(blob);
  EXPECT_TRUE(header);
  std::vector<Reading> readings;
  if (!header) return readings;
  for (const RowSection& section : header->sections) {
    EXPECT_TRUE(DecodeSection(blob, *header, section, dictionary, readings));
  }
  return readings;
}

Reading Plain(std::uint64_t seq, double temperature) {
  Reading reading;
  reading.thing = "sensor-001";
  reading.seq = seq;
  reading.unix_ms = 1'763'841'600'000 + static_cast<std::int64_t>(seq) * 1000;
  // A boot lasts at most some years: a seq that begins at Unix milliseconds is not its age in seconds.
  reading.boot_ns = static_cast<std::int64_t>(seq % 100'000'000) * 1'000'000'000 + 777;
  reading.boot_id = "4be83dd2-3f8b-4f5c-a4a6-1d0a2d2b9a11";
  reading.values = {{"temperature", temperature, Quality::kGood, ""}, {"humidity", 51.2, Quality::kGood, ""}};
  return reading;
}

TEST(Codec, RefusesHolesThatDoNotFitTheDirectory) {
  Dictionary dictionary;
  const std::vector<Reading> readings = {Plain(7, 22.5), Plain(9, 22.6)};
  const std::string blob = EncodeRow(readings, {}, dictionary);
  RowHeader header = DecodeHeader(blob).value();
  std::vector<Reading> out;
  for (const std::uint64_t holes : {0ULL, 2ULL, 1ULL << 60}) {
    RowSection section = header.sections[0];
    section.holes = holes;
    EXPECT_FALSE(DecodeSection(blob, header, section, dictionary, out)) << holes;
    EXPECT_TRUE(out.empty());
  }
}

TEST(Codec, KeepsSeqsWithHolesBetweenThem) {
  Dictionary dictionary;
  std::vector<Reading> readings = {Plain(7, 22.5), Plain(8, 22.6), Plain(20, 1), Plain(1'000'000, 2)};
  readings[2].boot_id = "another boot";  // a run of its own, with a hole before it
  const std::string blob = EncodeRow(readings, {}, dictionary);
  const RowHeader header = DecodeHeader(blob).value();
  ASSERT_EQ(header.sections.size(), 1u);
  EXPECT_EQ(header.sections[0].first_seq, 7u);
  EXPECT_EQ(header.sections[0].last_seq(), 1'000'000u);
  EXPECT_EQ(header.readings(), 4u);
  EXPECT_EQ(DecodeAll(blob, dictionary), readings);
}

TEST(Codec, RefusesDamagedBytesAtEveryPlace) {
  Dictionary dictionary;
  const std::vector<Reading> readings = {Plain(7, 22.5), Plain(8, 22.6)};
  const std::string blob = EncodeRow(readings, {}, dictionary);
  for (std::size_t i = 0; i < blob.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = blob;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      EXPECT_FALSE(DecodeHeader(damaged)) << "byte " << i;
    }
    EXPECT_FALSE(DecodeHeader(blob.substr(0, i))) << "cut at " << i;
  }
}

TEST(Codec, RefusesWordsThatItDoesNotKnow) {
  Dictionary dictionary;
  const std::vector<Reading> readings = {Plain(7, 22.5)};
  const std::string blob = EncodeRow(readings, {}, dictionary);
  const Result<RowHeader> header = DecodeHeader(blob);
  ASSERT_TRUE(header);
  std::vector<Reading> out;
  const Status decoded = DecodeSection(blob, *header, header->sections[0], Dictionary(), out);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().action, Action::kGiveUp);
  EXPECT_TRUE(out.empty());
}

TEST(Codec, KeepsAcksAndTheDirectoryWithoutReadings) {
  Dictionary dictionary;
  const std::vector<AckRange> acks = {{1, 5, 5}, {1, 7, 900}, {3, 1, 2}};
  const Result<RowHeader> header = DecodeHeader(EncodeRow({}, acks, dictionary));
  ASSERT_TRUE(header);
  EXPECT_EQ(header->acks, acks);
  EXPECT_TRUE(header->sections.empty());
  EXPECT_FALSE(header->newest_trusted_ms);
}

TEST(Codec, SaysInTheHeaderWhatIsInside) {
  Dictionary dictionary;
  std::vector<Reading> readings = {Plain(7, 22.5), Plain(8, 22.6)};
  readings.push_back(Plain(100, 1));
  readings.back().thing = "sensor-002";
  readings.back().time_trusted = false;
  const Result<RowHeader> header = DecodeHeader(EncodeRow(readings, {}, dictionary));
  ASSERT_TRUE(header);
  ASSERT_EQ(header->sections.size(), 2u);
  EXPECT_EQ(header->sections[0].first_seq, 7u);
  EXPECT_EQ(header->sections[0].last_seq(), 8u);
  EXPECT_EQ(header->sections[0].last_ms, readings[1].unix_ms);
  EXPECT_EQ(header->oldest_ms, readings[0].unix_ms);
  EXPECT_EQ(header->newest_ms, readings[2].unix_ms);
  EXPECT_EQ(header->newest_trusted_ms, readings[1].unix_ms);
  EXPECT_FALSE(header->all_trusted);
  EXPECT_EQ(header->Find(header->sections[1].thing)->first_seq, 100u);
  EXPECT_EQ(header->readings(), 3u);
}

TEST(Codec, KeepsNamesThatDoNotFitTheDictionary) {
  Dictionary dictionary;
  Reading reading = Plain(1, 2);
  reading.boot_id.clear();
  reading.values = {{"", 1.5, Quality::kGood, ""},
                    {"two\nlines", 1.5, Quality::kUncertain, std::string(5000, 'r')},
                    {std::string(3000, 'p'), true, Quality::kGood, ""}};
  Reading empty = Plain(2, 2);
  empty.values.clear();
  const std::vector<Reading> readings = {reading, empty};
  EXPECT_EQ(DecodeAll(EncodeRow(readings, {}, dictionary), dictionary), readings);
}

TEST(Codec, AFloodOfReasonsDoesNotGrowTheDictionaryBeyondItsBound) {
  Dictionary dictionary;
  std::vector<Reading> readings;
  for (std::uint64_t i = 1; i <= Dictionary::kMaxEntries + 100; ++i) {
    readings.push_back(Plain(i, 1));
    readings.back().values[0] = {"temperature", std::monostate(), Quality::kBad, "reason " + std::to_string(i)};
  }
  EXPECT_EQ(DecodeAll(EncodeRow(readings, {}, dictionary), dictionary), readings);
  EXPECT_LE(dictionary.TakeFresh().size(), 2 * Dictionary::kMaxEntries);
  EXPECT_FALSE(dictionary.IdOf(Kind::kWord, "reason " + std::to_string(Dictionary::kMaxEntries + 50)));
}

Value RandomValue(std::mt19937_64& random) {
  switch (random() % 8) {
    case 0:
      return std::monostate();
    case 1:
      return random() % 2 == 0;
    case 2:
      return static_cast<std::int64_t>(random());
    case 3:
      return static_cast<std::uint64_t>(random());
    case 4:
      return std::bit_cast<double>(random() & ~(0x7FFULL << 52));  // denormal or zero, either sign
    case 5:
      return static_cast<double>(static_cast<std::int64_t>(random() % 2'000'000) - 1'000'000) / 1000.0;
    case 6:
      return std::string(random() % 20, static_cast<char>(random()));
    default:
      return std::ldexp(static_cast<double>(random()), static_cast<int>(random() % 600) - 300);
  }
}

bool SameBits(const Value& a, const Value& b) {
  if (a.index() != b.index()) return false;
  const auto* x = std::get_if<double>(&a);
  if (x == nullptr) return a == b;
  return std::bit_cast<std::uint64_t>(*x) == std::bit_cast<std::uint64_t>(std::get<double>(b));
}

TEST(Codec, RandomReadingsComeBackBitForBit) {
  std::mt19937_64 random(1);
  Dictionary dictionary;
  for (int round = 0; round < 300; ++round) {
    std::vector<Reading> readings;
    std::map<std::string, std::uint64_t> next;
    const bool one_type = round % 2 == 0;
    const Value type = RandomValue(random);
    for (std::size_t i = 0, n = 1 + random() % 40; i < n; ++i) {
      Reading reading;
      reading.thing = "t" + std::to_string(random() % 3);
      reading.seq = next.try_emplace(reading.thing, 1 + random() % 1'000'000).first->second++;
      reading.unix_ms = static_cast<std::int64_t>(random());
      reading.boot_ns = static_cast<std::int64_t>(random());
      reading.boot_id = "boot" + std::to_string(random() % 2);
      reading.time_trusted = random() % 2 == 0;
      for (std::size_t p = 0, points = random() % 4; p < points; ++p) {
        Value value = RandomValue(random);
        while (one_type && value.index() != type.index()) value = RandomValue(random);
        reading.values.push_back({"p" + std::to_string(p), value, static_cast<Quality>(random() % 3),
                                  random() % 2 == 0 ? "" : "why " + std::to_string(random() % 5)});
      }
      readings.push_back(reading);
    }
    const std::vector<Reading> decoded = DecodeAll(EncodeRow(readings, {}, dictionary), dictionary);
    std::stable_sort(readings.begin(), readings.end(), [&](const Reading& a, const Reading& b) {
      return dictionary.IdOf(Kind::kThing, a.thing) < dictionary.IdOf(Kind::kThing, b.thing);
    });
    std::vector<Reading> sorted = decoded;
    std::stable_sort(sorted.begin(), sorted.end(), [&](const Reading& a, const Reading& b) {
      return dictionary.IdOf(Kind::kThing, a.thing) < dictionary.IdOf(Kind::kThing, b.thing);
    });
    ASSERT_EQ(sorted, readings) << "round " << round;
    for (std::size_t i = 0; i < sorted.size(); ++i) {
      for (std::size_t p = 0; p < sorted[i].values.size(); ++p) {
        ASSERT_TRUE(SameBits(sorted[i].values[p].value, readings[i].values[p].value));
      }
    }
  }
}

TEST(Codec, PacksSlowlyChangingDecimalsIntoAFewBytes) {
  Dictionary dictionary;
  std::vector<Reading> readings;
  for (std::uint64_t i = 0; i < 200; ++i) {
    readings.push_back(Plain(1'763'841'600'000 + i, 20.0 + static_cast<double>(i % 7) / 10));
  }
  const std::string blob = EncodeRow(readings, {}, dictionary);
  EXPECT_LT(blob.size(), 200u * 8);
}

// As earlier releases wrote them: two readings of one point, and acks of 3 and 7 to 9.
TEST(Codec, ReadsTheRowsOfEarlierReleases) {
  Dictionary dictionary;
  dictionary.Load(Kind::kThing, 1, "sensor-001");
  dictionary.Load(Kind::kWord, 1, "boot-1");
  dictionary.Load(Kind::kPointSet, 1, "temperature");
  const std::string without_holes(
      "\x0b\x83\x90\x5e\x01\x80\xa8\xb7\xd2\xd5\x66\x92\xd4\xaf\xa0\x25\x01\x01\x02\x03\x00\x04\x02\x03\x00\xd0\x0f\xd0"
      "\x0f\x01\x02\x14\x02\xd0\x0f\x0e\x02\x01\x01\x01\x00\x00\xd0\x0f\x18\x81\x01\xc2\x03\x02",
      50);
  const std::string with_holes(
      "\x8e\x71\xd3\x30\x02\x80\xa8\xb7\xd2\xd5\x66\x92\xd4\xaf\xa0\x25\x01\x01\x02\x03\x00\x04\x02\x03\x00\xd0\x0f\xd0"
      "\x0f\x01\x02\x14\x02\x05\xd0\x0f\x10\x02\x09\x01\x01\x00\x05\x00\x00\xd0\x0f\x18\x81\x01\xc2\x03\x02",
      53);
  for (const auto& [blob, last] : {std::pair(without_holes, 11u), std::pair(with_holes, 16u)}) {
    const std::vector<Reading> readings = DecodeAll(blob, dictionary);
    ASSERT_EQ(readings.size(), 2u);
    EXPECT_EQ(readings[0].seq, 10u);
    EXPECT_EQ(readings[1].seq, last);
    EXPECT_EQ(readings[1].unix_ms, 1'763'841'601'000);
    EXPECT_EQ(readings[1].boot_ns, 6'000'000'789);
    EXPECT_EQ(readings[1].values, (std::vector<PointValue>{{"temperature", 22.6, Quality::kGood, ""}}));
    EXPECT_EQ(DecodeHeader(blob)->acks, (std::vector<AckRange>{{1, 3, 3}, {1, 7, 9}}));
  }
}

TEST(Codec, KeepsAcksOfThingsWithReadingsAndWithout) {
  Dictionary dictionary;
  const std::vector<Reading> readings = {Plain(5000, 22.5)};
  const std::string blob = EncodeRow(readings, {}, dictionary);
  const std::uint64_t thing = DecodeHeader(blob)->sections[0].thing;
  const std::vector<AckRange> acks = {
      {thing, 4999, 4999}, {thing + 1, 1, 1}, {thing + 2, 1ULL << 40, 1ULL << 41}, {thing + 2, 1ULL << 42, 1ULL << 42},
      {thing + 3, 7, 8},   {thing + 90, 1, 1}};
  EXPECT_EQ(DecodeHeader(EncodeRow(readings, acks, dictionary))->acks, acks);
  EXPECT_EQ(DecodeHeader(EncodeRow({}, acks, dictionary))->acks, acks);
}

// Acks ride with the thing's next readings, whatever number it is at.
TEST(Codec, AnAckOfTheReadingBeforeTakesThreeBytes) {
  Dictionary dictionary;
  std::vector<Reading> readings;
  std::vector<AckRange> acks;
  for (std::uint64_t i = 1; i <= 100; ++i) {
    readings.push_back(Plain(1'763'841'600'000 + i * i * 1'000'003, 22.5));
    readings.back().thing = "t" + std::to_string(i);
    acks.push_back({i, readings.back().seq - 1, readings.back().seq - 1});
  }
  const std::size_t without = EncodeRow(readings, {}, dictionary).size();
  EXPECT_LE(EncodeRow(readings, acks, dictionary).size(), without + 300);
}

// A second apart give or take a millisecond, BootTime exact to the nanosecond, a tenth of a degree or two.
TEST(Codec, PacksALongRunIntoFourBytesAReading) {
  Dictionary dictionary;
  std::vector<Reading> readings;
  for (std::uint64_t i = 0; i < 512; ++i) {
    Reading reading = Plain(i + 1, 20.0 + static_cast<double>(i * 13 % 40) / 10);
    reading.values.pop_back();
    reading.unix_ms += static_cast<std::int64_t>(i * 7 % 3);
    reading.boot_ns += static_cast<std::int64_t>(i * 7919 % 1'000'000);
    readings.push_back(reading);
  }
  const std::string blob = EncodeRow(readings, {}, dictionary);
  EXPECT_LT(blob.size(), 512u * 4);
  EXPECT_EQ(DecodeAll(blob, dictionary), readings);
}

}  // namespace
}  // namespace penumbra
