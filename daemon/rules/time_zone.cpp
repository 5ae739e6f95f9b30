#include "rules/time_zone.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>

namespace penumbra::rules {
namespace {

constexpr std::size_t kMaxZoneBytes = 64 * 1024, kMaxNameBytes = 64;
constexpr std::size_t kHeaderBytes = 44;

// "+01:00", "-0530", "+1": seconds.
std::optional<std::int32_t> Offset(std::string_view text) {
  if (text.size() < 2 || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  std::string digits;
  for (const char c : text.substr(1)) {
    if (c == ':' && digits.size() == 2) continue;
    if (std::isdigit(static_cast<unsigned char>(c)) == 0) return std::nullopt;
    digits += c;
  }
  if (digits.size() > 4 || digits.size() == 3) return std::nullopt;
  const int hours = std::stoi(digits.substr(0, 2)), minutes = digits.size() > 2 ? std::stoi(digits.substr(2)) : 0;
  if (hours > 18 || minutes > 59) return std::nullopt;
  return (text[0] == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
}

bool IsZoneName(std::string_view name) {
  if (name.empty() || name.size() > kMaxNameBytes || name[0] == '/' || name.find("..") != std::string_view::npos)
    return false;
  return std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '/' || c == '_' || c == '-' || c == '+';
  });
}

std::int64_t BigEndian(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint64_t value = static_cast<std::uint8_t>(bytes[at]) >= 0x80 ? ~std::uint64_t{0} : 0;
  for (std::size_t i = 0; i < size; ++i) value = value << 8 | static_cast<std::uint8_t>(bytes[at + i]);
  return static_cast<std::int64_t>(value);
}

struct Header {
  std::size_t utc_flags, standard_flags, leaps, changes, kinds, letters;
  std::size_t Bytes(std::size_t time_size) const {
    return changes * (time_size + 1) + kinds * 6 + letters + leaps * (time_size + 4) + standard_flags + utc_flags;
  }
};

std::optional<Header> ReadHeader(std::string_view bytes, std::size_t at) {
  if (bytes.size() < at + kHeaderBytes || bytes.substr(at, 4) != "TZif") return std::nullopt;
  std::size_t counts[6];
  for (std::size_t i = 0; i < 6; ++i) {
    const std::int64_t count = BigEndian(bytes, at + 20 + 4 * i, 4);
    if (count < 0 || count > static_cast<std::int64_t>(kMaxZoneBytes)) return std::nullopt;
    counts[i] = static_cast<std::size_t>(count);
  }
  return Header{counts[0], counts[1], counts[2], counts[3], counts[4], counts[5]};
}

}  // namespace

std::optional<TimeZone> TimeZone::FromFile(std::string_view bytes) {
  if (bytes.size() > kMaxZoneBytes) return std::nullopt;
  auto header = ReadHeader(bytes, 0);
  if (!header) return std::nullopt;
  std::size_t at = kHeaderBytes, time_size = 4;
  if (bytes[4] >= '2') {  // the same once more with 64-bit times
    at += header->Bytes(4);
    header = ReadHeader(bytes, at);
    if (!header) return std::nullopt;
    at += kHeaderBytes;
    time_size = 8;
  }
  if (header->kinds == 0 || bytes.size() < at + header->Bytes(time_size)) return std::nullopt;
  TimeZone zone;
  for (std::size_t i = 0; i < header->changes; ++i)
    zone.changes_.push_back(BigEndian(bytes, at + i * time_size, time_size));
  at += header->changes * time_size;
  for (std::size_t i = 0; i < header->changes; ++i) {
    zone.kinds_.push_back(static_cast<std::uint8_t>(bytes[at + i]));
    if (zone.kinds_.back() >= header->kinds) return std::nullopt;
  }
  at += header->changes;
  const std::string_view letters = bytes.substr(at + header->kinds * 6, header->letters);
  for (std::size_t i = 0; i < header->kinds; ++i) {
    const auto offset = static_cast<std::int32_t>(BigEndian(bytes, at + i * 6, 4));
    const std::size_t letter = static_cast<std::uint8_t>(bytes[at + i * 6 + 5]);
    if (letter >= letters.size() || offset < -90'000 || offset > 90'000) return std::nullopt;
    zone.locals_.push_back({offset, std::string(letters.substr(letter, letters.find('\0', letter) - letter))});
  }
  if (!std::is_sorted(zone.changes_.begin(), zone.changes_.end())) return std::nullopt;
  return zone;
}

std::optional<TimeZone> TimeZone::Find(const std::string& name) {
  TimeZone fixed;
  if (name == "UTC" || name == "Z" || name == "GMT" || name == "UT") {
    fixed.locals_.push_back({0, name == "Z" ? "UTC" : name});
    return fixed;
  }
  std::string_view rest = name;
  if (rest.starts_with("UTC") || rest.starts_with("GMT")) rest.remove_prefix(3);
  if (const auto offset = Offset(rest)) {
    const std::int32_t size = *offset < 0 ? -*offset : *offset;
    fixed.locals_.push_back(
        {*offset, fmt::format("{}{:02}:{:02}", *offset < 0 ? '-' : '+', size / 3600, size / 60 % 60)});
    return fixed;
  }
  if (!IsZoneName(name)) return std::nullopt;
  std::ifstream file("/usr/share/zoneinfo/" + name, std::ios::binary);
  if (!file) return std::nullopt;
  std::string bytes(kMaxZoneBytes + 1, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  return FromFile(bytes);
}

TimeZone::Local TimeZone::At(std::int64_t unix_s) const {
  const auto next = std::upper_bound(changes_.begin(), changes_.end(), unix_s);
  if (next == changes_.begin()) return locals_[0];
  return locals_[kinds_[static_cast<std::size_t>(next - changes_.begin()) - 1]];
}

std::int64_t TimeZone::ToUnix(std::int64_t local_s) const {
  // The offsets in force a day before and after are the only ones that come into question.
  constexpr std::int64_t kDay = 86'400;
  const std::int64_t before = At(local_s - kDay).offset_s, after = At(local_s + kDay).offset_s;
  if (At(local_s - before).offset_s == before) return local_s - before;
  if (At(local_s - after).offset_s == after) return local_s - after;
  return local_s - before;
}

}  // namespace penumbra::rules
