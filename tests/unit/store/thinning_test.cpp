#include "store/thinning.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace penumbra {
namespace {

Reading At(std::uint64_t seq, std::vector<double> values) {
  Reading reading;
  reading.seq = seq;
  for (std::size_t i = 0; i < values.size(); ++i) {
    reading.values.push_back({std::string(1, static_cast<char>('a' + i)), values[i], Quality::kGood, ""});
  }
  return reading;
}

std::vector<std::uint64_t> KeptOf(const std::vector<Reading>& readings) {
  Thinning thinning;
  for (const Reading& reading : readings) thinning.Add(reading);
  thinning.Finish();
  std::vector<std::uint64_t> kept;
  for (const Reading& reading : readings) {
    if (thinning.Keeps(reading.seq)) kept.push_back(reading.seq);
  }
  return kept;
}

TEST(Thinning, ABadValueIsNoExtreme) {
  std::vector<Reading> readings;
  for (std::uint64_t seq = 1; seq <= 20; ++seq) readings.push_back(At(seq, {seq == 7 ? -999.0 : 1.0}));
  readings[6].values[0].quality = Quality::kBad;
  EXPECT_EQ(KeptOf(readings), (std::vector<std::uint64_t>{1, 20}));
}

TEST(Thinning, KeepsFirstLastSmallestAndLargestOfARun) {
  std::vector<Reading> readings;
  for (std::uint64_t seq = 1; seq <= 20; ++seq) readings.push_back(At(seq, {seq == 7 ? -5.0 : seq == 13 ? 50.0 : 1.0}));
  EXPECT_EQ(KeptOf(readings), (std::vector<std::uint64_t>{1, 7, 13, 20}));
}

TEST(Thinning, KeepsTheExtremesOfEveryPoint) {
  std::vector<Reading> readings;
  for (std::uint64_t seq = 1; seq <= 30; ++seq) {
    readings.push_back(At(seq, {seq == 4 ? 9.0 : 1.0, seq == 5 ? -9.0 : 1.0}));
  }
  EXPECT_EQ(KeptOf(readings), (std::vector<std::uint64_t>{1, 4, 5, 30}));
}

TEST(Thinning, OfALongSeriesAtMostOneInEightStays) {
  std::vector<Reading> readings;
  for (std::uint64_t seq = 1; seq <= 32'000; ++seq) readings.push_back(At(seq, {std::sin(static_cast<double>(seq))}));
  const auto kept = KeptOf(readings);
  EXPECT_LE(kept.size(), readings.size() / 8);
  EXPECT_EQ(kept.front(), 1u);
  EXPECT_EQ(kept.back(), 32'000u);
}

}  // namespace
}  // namespace penumbra
