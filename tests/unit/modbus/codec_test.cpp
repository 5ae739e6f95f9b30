// Registers to values and back, for every type and order.
#include "modbus/codec.hpp"

#include <gtest/gtest.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <random>

namespace penumbra::modbus {
namespace {

using Words = std::vector<std::uint16_t>;

constexpr Order kOrders[] = {Order::kAbcd, Order::kCdab, Order::kBadc, Order::kDcba};

Decoded DecodeAs(Type type, Order order, const Words& words) {
  return Decode({.type = type, .order = order}, words);
}

Words Encoded(const Encoding& encoding, const Value& value) {
  Words words;
  EXPECT_EQ(Encode(encoding, value, words), "");
  return words;
}

std::string Fault(Type type, const Value& value) {
  Words words;
  return Encode({.type = type}, value, words);
}

std::string Shown(double value) {
  char text[64];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

TEST(ModbusCodec, ValuesOutsideTheTypeAreRefusedAndNeverWrapped) {
  EXPECT_EQ(Fault(Type::kS16, std::int64_t{32768}), "32768 is outside -32768..32767 of s16");
  EXPECT_EQ(Fault(Type::kS16, -32768.5), "-32768.5 is outside -32768..32767 of s16");
  EXPECT_EQ(Fault(Type::kU16, std::int64_t{-1}), "-1 is outside 0..65535 of u16");
  EXPECT_EQ(Fault(Type::kU16, -0.6), "-0.6 is outside 0..65535 of u16");
  EXPECT_EQ(Fault(Type::kU16, 65535.5), "65535.5 is outside 0..65535 of u16");
  EXPECT_NE(Fault(Type::kS32, std::uint64_t{1} << 31), "");
  EXPECT_NE(Fault(Type::kU32, 4294967296.0), "");
  EXPECT_NE(Fault(Type::kS64, 0x1p63), "");
  EXPECT_NE(Fault(Type::kS64, -0x1.0000000000001p63), "");
  EXPECT_NE(Fault(Type::kS64, std::uint64_t{1} << 63), "");
  EXPECT_NE(Fault(Type::kU64, 0x1p64), "");
  EXPECT_NE(Fault(Type::kU64, std::int64_t{-1}), "");
  EXPECT_NE(Fault(Type::kBcd16, std::uint64_t{10000}), "");
  EXPECT_NE(Fault(Type::kF32, 3.5e38), "");
  EXPECT_NE(Fault(Type::kF16, 70000.0), "");
  EXPECT_NE(Fault(Type::kBool, std::int64_t{2}), "");
  EXPECT_NE(Fault(Type::kS16, std::string("12")), "");
  for (const Type type : {Type::kS16, Type::kU64, Type::kF16, Type::kF32, Type::kF64}) {
    EXPECT_EQ(Fault(type, std::numeric_limits<double>::quiet_NaN()), "not a finite number");
    EXPECT_EQ(Fault(type, std::numeric_limits<double>::infinity()), "not a finite number");
  }
}

TEST(ModbusCodec, TheLimitsOfEachIntegerTypeFitExactly) {
  EXPECT_EQ(Encoded({.type = Type::kS16}, -32768.0), Words{0x8000});
  EXPECT_EQ(Encoded({.type = Type::kU16}, 65535.0), Words{0xFFFF});
  EXPECT_EQ(Encoded({.type = Type::kS64}, -0x1p63), (Words{0x8000, 0, 0, 0}));
  EXPECT_EQ(Encoded({.type = Type::kU64}, std::numeric_limits<std::uint64_t>::max()),
            (Words{0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF}));
  EXPECT_EQ(Encoded({.type = Type::kS64}, std::numeric_limits<std::int64_t>::max()),
            (Words{0x7FFF, 0xFFFF, 0xFFFF, 0xFFFF}));
}

TEST(ModbusCodec, RealsAreRoundedToTheNearestInteger) {
  EXPECT_EQ(Encoded({.type = Type::kS16}, 224.99999999999997), Words{225});
  EXPECT_EQ(Encoded({.type = Type::kS16}, -0.4), Words{0});
  EXPECT_EQ(Encoded({.type = Type::kS16}, -2.5), Words{0xFFFD});
}

TEST(ModbusCodec, TheFourOrdersPlaceTheBytesAsTheirNamesSay) {
  const Value value = std::uint64_t{0x0A0B0C0D};
  EXPECT_EQ(Encoded({.type = Type::kU32, .order = Order::kAbcd}, value), (Words{0x0A0B, 0x0C0D}));
  EXPECT_EQ(Encoded({.type = Type::kU32, .order = Order::kCdab}, value), (Words{0x0C0D, 0x0A0B}));
  EXPECT_EQ(Encoded({.type = Type::kU32, .order = Order::kBadc}, value), (Words{0x0B0A, 0x0D0C}));
  EXPECT_EQ(Encoded({.type = Type::kU32, .order = Order::kDcba}, value), (Words{0x0D0C, 0x0B0A}));
  const Value large = std::uint64_t{0x0102030405060708};
  EXPECT_EQ(Encoded({.type = Type::kU64, .order = Order::kAbcd}, large), (Words{0x0102, 0x0304, 0x0506, 0x0708}));
  EXPECT_EQ(Encoded({.type = Type::kU64, .order = Order::kCdab}, large), (Words{0x0708, 0x0506, 0x0304, 0x0102}));
  EXPECT_EQ(Encoded({.type = Type::kU64, .order = Order::kBadc}, large), (Words{0x0201, 0x0403, 0x0605, 0x0807}));
  EXPECT_EQ(Encoded({.type = Type::kU64, .order = Order::kDcba}, large), (Words{0x0807, 0x0605, 0x0403, 0x0201}));
  EXPECT_EQ(Encoded({.type = Type::kU16, .order = Order::kBadc}, std::uint64_t{0x0102}), Words{0x0201});
}

TEST(ModbusCodec, KnownFloatsFromTheFieldDecode) {
  EXPECT_EQ(std::get<double>(DecodeAs(Type::kF32, Order::kAbcd, {0x4365, 0x028F}).value), 229.01);
  EXPECT_EQ(std::get<double>(DecodeAs(Type::kF32, Order::kCdab, {0x028F, 0x4365}).value), 229.01);
  EXPECT_EQ(std::get<double>(DecodeAs(Type::kF64, Order::kAbcd, {0x4009, 0x21FB, 0x5444, 0x2D18}).value),
            3.141592653589793);
  EXPECT_EQ(std::get<double>(DecodeAs(Type::kF16, Order::kAbcd, {0x4D9A}).value), 22.4);
  EXPECT_EQ(std::get<double>(DecodeAs(Type::kF16, Order::kAbcd, {0x0001}).value), 6e-8);
  EXPECT_TRUE(std::isnan(std::get<double>(DecodeAs(Type::kF32, Order::kAbcd, {0x7FC0, 0}).value)));
  EXPECT_TRUE(std::isinf(std::get<double>(DecodeAs(Type::kF32, Order::kAbcd, {0xFF80, 0}).value)));
  EXPECT_TRUE(std::isnan(std::get<double>(DecodeAs(Type::kF16, Order::kAbcd, {0x7E00}).value)));
}

TEST(ModbusCodec, AFloatShowsTheDigitsItWasWrittenWith) {
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    const double tenths = std::uniform_int_distribution<int>(-20000, 20000)(random) / 10.0;
    const auto decoded = Decode({.type = Type::kF32}, Encoded({.type = Type::kF32}, tenths));
    ASSERT_EQ(Shown(std::get<double>(decoded.value)), Shown(tenths));
  }
}

TEST(ModbusCodec, EveryBitPatternOfEveryNumberRoundTripsInEveryOrder) {
  std::mt19937_64 random(2);
  for (const Type type : {Type::kS16, Type::kU16, Type::kS32, Type::kU32, Type::kS64, Type::kU64, Type::kF16,
                          Type::kF32, Type::kF64, Type::kBcd16, Type::kBcd32}) {
    for (const Order order : kOrders) {
      const Encoding encoding{.type = type, .order = order};
      int checked = 0;
      for (int i = 0; i < 20000; ++i) {
        Words words(WordsOf(encoding));
        for (auto& word : words) word = static_cast<std::uint16_t>(random());
        const Decoded decoded = Decode(encoding, words);
        if (decoded.fault != nullptr) continue;
        if (const auto* real = std::get_if<double>(&decoded.value); real != nullptr && !std::isfinite(*real)) continue;
        ASSERT_EQ(Encoded(encoding, decoded.value), words) << NameOf(type);
        ++checked;
      }
      EXPECT_GT(checked, 300) << NameOf(type);
    }
  }
}

TEST(ModbusCodec, EveryHalfRoundTrips) {
  for (unsigned half = 0; half < 65536; ++half) {
    if ((half & 0x7C00) == 0x7C00) continue;
    const Words words{static_cast<std::uint16_t>(half)};
    ASSERT_EQ(Encoded({.type = Type::kF16}, Decode({.type = Type::kF16}, words).value), words);
  }
}

TEST(ModbusCodec, BcdWithALetterIsNoNumber) {
  EXPECT_STREQ(DecodeAs(Type::kBcd16, Order::kAbcd, {0x12A4}).fault, "invalid BCD digit");
  EXPECT_EQ(std::get<std::uint64_t>(DecodeAs(Type::kBcd32, Order::kAbcd, {0x1234, 0x5678}).value), 12345678u);
}

TEST(ModbusCodec, ABitOfARegisterIsABool) {
  const Words words{0x0120};
  for (std::uint8_t bit = 0; bit < 16; ++bit) {
    const auto decoded = Decode({.type = Type::kBool, .bit = bit}, words);
    EXPECT_EQ(std::get<bool>(decoded.value), bit == 5 || bit == 8) << int{bit};
  }
  EXPECT_TRUE(std::get<bool>(Decode({.type = Type::kBool}, words).value));
  EXPECT_FALSE(std::get<bool>(Decode({.type = Type::kBool}, Words{0}).value));
}

TEST(ModbusCodec, TextThatIsNotUtf8IsBad) {
  const auto fault = [](const Words& words) {
    return Decode({.type = Type::kString, .length = static_cast<std::uint16_t>(words.size())}, words).fault;
  };
  EXPECT_STREQ(fault({0xC328}), "invalid text");          // a lead byte without its continuation
  EXPECT_STREQ(fault({0x41C3}), "invalid text");          // cut within a character
  EXPECT_STREQ(fault({0xC0AF}), "invalid text");          // overlong
  EXPECT_STREQ(fault({0xEDA0, 0x8041}), "invalid text");  // surrogate
  EXPECT_STREQ(fault({0xF490, 0x8080}), "invalid text");  // above U+10FFFF
  EXPECT_STREQ(fault({0xFFFF}), "invalid text");
  EXPECT_EQ(fault({0xC3BC}), nullptr);
}

TEST(ModbusCodec, TextEndsAtTheFirstNulAndLosesTheSpacesAroundIt) {
  const auto text = [](const Words& words, Order order) {
    return std::get<std::string>(
        Decode({.type = Type::kString, .order = order, .length = static_cast<std::uint16_t>(words.size())}, words)
            .value);
  };
  EXPECT_EQ(text({0x2041, 0x4220, 0x0058}, Order::kAbcd), "AB");
  EXPECT_EQ(text({0x4241, 0x0043}, Order::kBadc), "ABC");
  EXPECT_EQ(text({0x2020, 0x2020}, Order::kAbcd), "");
  EXPECT_EQ(text({0x0000}, Order::kAbcd), "");
}

TEST(ModbusCodec, TextRoundTripsPaddedWithNulsAndIsRefusedWhenTooLong) {
  for (const Order order : {Order::kAbcd, Order::kBadc}) {
    const Encoding encoding{.type = Type::kString, .order = order, .length = 4};
    for (const char* text : {"", "A", "AB", "Gr\xC3\xBC\xC3\x9F", "12345678"}) {
      const Words words = Encoded(encoding, std::string(text));
      ASSERT_EQ(words.size(), 4u);
      EXPECT_EQ(std::get<std::string>(Decode(encoding, words).value), text);
    }
    Words words;
    EXPECT_EQ(Encode(encoding, std::string("123456789"), words), "text of 9 bytes does not fit into 8 bytes");
  }
}

}  // namespace
}  // namespace penumbra::modbus
