#include "store/series.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <vector>

namespace penumbra {
namespace {

std::string Encoded(const std::vector<std::int64_t>& numbers) {
  ByteWriter out;
  EncodeSeries(out, numbers);
  return out.Take();
}

TEST(Series, RefusesWhatIsCutOff) {
  const std::string bytes = Encoded({1, 5, 900, -70, 3, 3, 3, 8, 1'000'000});
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    ByteReader in(std::string_view(bytes).substr(0, length));
    std::vector<std::int64_t> out(9);
    EXPECT_FALSE(DecodeSeries(in, out)) << length;
  }
}

TEST(Series, RefusesAnOrderOrAWidthThatThereIsNot) {
  std::string order = Encoded({1, 2, 3});
  order[0] = 2;
  std::string narrow = Encoded({5, 5, 5});
  std::string wide = narrow;
  ASSERT_EQ(narrow[2], 1);
  narrow[2] = 0;
  wide[2] = 65;
  for (const std::string& bytes : {order, narrow, wide}) {
    ByteReader in(bytes);
    std::vector<std::int64_t> out(3);
    EXPECT_FALSE(DecodeSeries(in, out));
  }
}

TEST(Series, AnyNumbersComeBack) {
  constexpr auto kSmallest = std::numeric_limits<std::int64_t>::min();
  constexpr auto kLargest = std::numeric_limits<std::int64_t>::max();
  std::mt19937_64 random(1);
  std::vector<std::vector<std::int64_t>> all = {{0}, {kSmallest, kLargest, kSmallest}, {kLargest, kLargest, 0, -1}};
  for (std::size_t size = 1; size < 300; ++size) {
    const auto shift = random() % 64;
    std::vector<std::int64_t>& numbers = all.emplace_back(size);
    for (std::int64_t& number : numbers)
      number = static_cast<std::int64_t>(random() >> shift) - static_cast<std::int64_t>(size);
  }
  for (const auto& numbers : all) {
    const std::string bytes = Encoded(numbers);
    ByteReader in(bytes);
    std::vector<std::int64_t> out(numbers.size());
    ASSERT_TRUE(DecodeSeries(in, out));
    EXPECT_TRUE(in.AtEnd());
    EXPECT_EQ(out, numbers);
    EXPECT_LE(numbers.size(), MostInSeries(bytes.size()));
  }
}

TEST(Series, AStepCostsItsOwnBlockOnly) {
  std::vector<std::int64_t> numbers(640);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = 1000 * static_cast<std::int64_t>(i);
  const std::size_t even = Encoded(numbers).size();
  for (std::size_t i = 320; i < numbers.size(); ++i) numbers[i] += 1LL << 40;
  EXPECT_LT(even, 150u);
  EXPECT_LT(Encoded(numbers).size(), even + 64 * 6);
}

}  // namespace
}  // namespace penumbra
