#include "base/bytes.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace penumbra {
namespace {

TEST(Bytes, ReadsBackWhatWasWritten) {
  ByteWriter out;
  for (const std::uint64_t v : {0ULL, 1ULL, 127ULL, 128ULL, 300ULL, ~0ULL}) out.Varint(v);
  for (const std::int64_t v :
       {0LL, -1LL, 1LL, std::numeric_limits<long long>::min(), std::numeric_limits<long long>::max()}) {
    out.Zigzag(v);
  }
  out.F64(-22.5);
  out.String("abc");
  ByteReader in(out.bytes());
  for (const std::uint64_t v : {0ULL, 1ULL, 127ULL, 128ULL, 300ULL, ~0ULL}) EXPECT_EQ(in.Varint(), v);
  for (const std::int64_t v :
       {0LL, -1LL, 1LL, std::numeric_limits<long long>::min(), std::numeric_limits<long long>::max()}) {
    EXPECT_EQ(in.Zigzag(), v);
  }
  EXPECT_EQ(in.F64(), -22.5);
  EXPECT_EQ(in.String(), "abc");
  EXPECT_TRUE(in.Ok());
  EXPECT_TRUE(in.AtEnd());
}

TEST(Bytes, EveryPrefixOfAMessageIsAFaultAndNotACrash) {
  ByteWriter out;
  out.Varint(1'000'000);
  out.F64(1.5);
  out.String("0123456789");
  for (std::size_t n = 0; n < out.bytes().size(); ++n) {
    ByteReader in(std::string_view(out.bytes()).substr(0, n));
    in.Varint();
    in.F64();
    in.String();
    EXPECT_FALSE(in.Ok()) << n;
  }
}

TEST(Bytes, ACountLargerThanTheRestIsAFault) {
  ByteWriter out;
  out.Varint(1'000'000'000);
  out.U8(1);
  ByteReader in(out.bytes());
  EXPECT_EQ(in.Count(), 0u);
  EXPECT_FALSE(in.Ok());
}

TEST(Bytes, AVarintOfMoreThan64BitsIsAFault) {
  ByteReader eleven("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
  eleven.Varint();
  EXPECT_FALSE(eleven.Ok());
  ByteReader sixty_five("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02");
  sixty_five.Varint();
  EXPECT_FALSE(sixty_five.Ok());
}

}  // namespace
}  // namespace penumbra
