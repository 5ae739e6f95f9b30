#include "rules/time_pattern.hpp"

#include <fmt/format.h>

#include <chrono>
#include <vector>

#include "rules/functions.hpp"
#include "rules/time_zone.hpp"

namespace penumbra::rules {
namespace {

using std::chrono::days;
using std::chrono::sys_days;

constexpr std::string_view kMonths[] = {"January", "February", "March",     "April",   "May",      "June",
                                        "July",    "August",   "September", "October", "November", "December"};
constexpr std::string_view kDays[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};
constexpr std::size_t kMaxPattern = 256, kMaxText = 256;
constexpr std::int64_t kDaySeconds = 86'400;
constexpr std::int64_t kLeastMs = -62'135'596'800'000, kMostMs = 253'402'300'799'999;  // years 1..9999

// A run of one letter, or text as it is (letter 0).
struct Piece {
  char letter = 0;
  std::size_t count = 0;
  std::string text;
};

bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

std::optional<std::vector<Piece>> Split(std::string_view pattern) {
  if (pattern.size() > kMaxPattern) return std::nullopt;
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < pattern.size();) {
    const char c = pattern[i];
    if (IsLetter(c)) {
      const std::size_t end = std::min(pattern.find_first_not_of(c, i), pattern.size());
      pieces.push_back({c, end - i, {}});
      i = end;
    } else if (c != '\'') {
      pieces.push_back({0, 1, std::string(1, c)});
      ++i;
    } else if (pattern.substr(i).starts_with("''")) {
      pieces.push_back({0, 1, "'"});
      i += 2;
    } else {
      std::string text;
      for (++i;; ++i) {
        if (i >= pattern.size()) return std::nullopt;
        if (pattern[i] != '\'') {
          text += pattern[i];
        } else if (pattern.substr(i).starts_with("''")) {
          text += pattern[i++];
        } else {
          break;
        }
      }
      ++i;
      pieces.push_back({0, 1, text});
    }
  }
  return pieces;
}

struct Moment {
  int year, month, day, day_of_year, weekday;  // weekday 0: Monday
  int hour, minute, second, ms;
  TimeZone::Local zone;
  std::string zone_name;
};

Moment Break(std::int64_t unix_ms, const TimeZone& zone, std::string zone_name) {
  const std::int64_t unix_s = (unix_ms - (unix_ms % 1000 + 1000) % 1000) / 1000;
  Moment moment{};
  moment.ms = static_cast<int>(unix_ms - unix_s * 1000);
  moment.zone = zone.At(unix_s);
  moment.zone_name = std::move(zone_name);
  const std::int64_t local = unix_s + moment.zone.offset_s;
  const std::int64_t day = (local - (local % kDaySeconds + kDaySeconds) % kDaySeconds) / kDaySeconds;
  const int second = static_cast<int>(local - day * kDaySeconds);
  const sys_days date{days(day)};
  const std::chrono::year_month_day civil{date};
  moment.year = static_cast<int>(civil.year());
  moment.month = static_cast<int>(static_cast<unsigned>(civil.month()));
  moment.day = static_cast<int>(static_cast<unsigned>(civil.day()));
  moment.day_of_year = static_cast<int>((date - sys_days{civil.year() / std::chrono::January / 1}).count()) + 1;
  moment.weekday = static_cast<int>(std::chrono::weekday{date}.iso_encoding()) - 1;
  moment.hour = second / 3600;
  moment.minute = second / 60 % 60;
  moment.second = second % 60;
  return moment;
}

std::string OffsetText(std::int32_t offset_s, bool colon) {
  const std::int32_t size = offset_s < 0 ? -offset_s : offset_s;
  return fmt::format("{}{:02}{}{:02}", offset_s < 0 ? '-' : '+', size / 3600, colon ? ":" : "", size / 60 % 60);
}

std::optional<std::string> Format(const Piece& piece, const Moment& m) {
  const auto number = [&piece](int value) { return fmt::format("{:0{}}", value, piece.count); };
  const auto name = [&piece](std::string_view word) {
    return std::string(piece.count >= 4 ? word : word.substr(0, 3));
  };
  switch (piece.letter) {
    case 'G':
      return "AD";
    case 'y':
    case 'Y':
      return piece.count == 2 ? fmt::format("{:02}", m.year % 100) : number(m.year);
    case 'M':
      return piece.count >= 3 ? name(kMonths[m.month - 1]) : number(m.month);
    case 'd':
      return number(m.day);
    case 'D':
      return number(m.day_of_year);
    case 'E':
      return name(kDays[m.weekday]);
    case 'e':
      return number(m.weekday + 1);
    case 'H':
      return number(m.hour);
    case 'k':
      return number(m.hour == 0 ? 24 : m.hour);
    case 'K':
      return number(m.hour % 12);
    case 'h':
      return number(m.hour % 12 == 0 ? 12 : m.hour % 12);
    case 'm':
      return number(m.minute);
    case 's':
      return number(m.second);
    case 'S':
      return fmt::format("{:03}{}", m.ms, std::string(piece.count, '0')).substr(0, piece.count);
    case 'a':
      return m.hour < 12 ? "AM" : "PM";
    case 'z':
      return m.zone.abbreviation;
    case 'Z':
      if (piece.count >= 3) return m.zone_name;
      return OffsetText(m.zone.offset_s, piece.count == 2);
    default:
      return std::nullopt;
  }
}

// Reads text by pieces. Every reader answers whether it could.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool Read(const Piece& piece) {
    switch (piece.letter) {
      case 0:
        return Literal(piece.text);
      case 'G':
        return Literal("AD");
      case 'y':
      case 'u':
        return Year(piece.count);
      case 'M':
      case 'L':
        return piece.count >= 3 ? Name(kMonths, piece.count, month_) : Digits(piece.count, month_, 1, 12);
      case 'd':
        return Digits(piece.count, day_, 1, 31);
      case 'D':
        return Digits(piece.count, day_of_year_, 1, 366);
      case 'E':
        return Name(kDays, piece.count, ignored_);
      case 'H':
        return Digits(piece.count, hour_, 0, 23);
      case 'k':
        return Digits(piece.count, hour_, 1, 24);
      case 'h':
        return Digits(piece.count, half_hour_, 1, 12);
      case 'K':
        return Digits(piece.count, half_hour_, 0, 11);
      case 'm':
        return Digits(piece.count, minute_, 0, 59);
      case 's':
        return Digits(piece.count, second_, 0, 59);
      case 'S':
        return Fraction(piece.count);
      case 'a':
        return HalfOfDay();
      case 'z':
      case 'V':
      case 'O':
        return ZoneName();
      case 'Z':
      case 'X':
      case 'x':
        return ZoneOffset();
      default:
        return false;
    }
  }

  std::optional<std::int64_t> Finish() const {
    if (!rest_.empty() || !year_) return std::nullopt;
    const std::chrono::year year{*year_};
    std::chrono::year_month_day date = year / std::chrono::month(static_cast<unsigned>(month_.value_or(1))) /
                                       std::chrono::day(static_cast<unsigned>(day_.value_or(1)));
    if (!date.ok()) return std::nullopt;
    sys_days day{date};
    if (day_of_year_ && !month_ && !day_) {
      if (*day_of_year_ == 366 && !year.is_leap()) return std::nullopt;
      day = sys_days{year / std::chrono::January / 1} + days(*day_of_year_ - 1);
    }
    int hour = hour_.value_or(0) % 24;
    if (!hour_ && half_hour_) hour = *half_hour_ % 12 + (afternoon_ ? 12 : 0);
    const std::int64_t local =
        day.time_since_epoch().count() * kDaySeconds + hour * 3600 + minute_.value_or(0) * 60 + second_.value_or(0);
    const std::int64_t unix_s = offset_s_ ? local - *offset_s_ : zone_ ? zone_->ToUnix(local) : local;
    return unix_s * 1000 + ms_;
  }

 private:
  bool Literal(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }

  std::string_view Take(std::size_t least, std::size_t most, std::string_view allowed) {
    const std::size_t end = std::min(std::min(rest_.find_first_not_of(allowed), rest_.size()), most);
    if (end < least) return {};
    const std::string_view taken = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return taken;
  }

  // One letter: as many digits as there are (at most 9); more letters: so many.
  bool Digits(std::size_t count, std::optional<int>& into, int least, int most) {
    const std::string_view digits = Take(count, count == 1 ? 9 : std::min<std::size_t>(count, 9), "0123456789");
    if (digits.empty()) return false;
    into = std::stoi(std::string(digits));
    return *into >= least && *into <= most;
  }

  bool Year(std::size_t count) {
    if (!Digits(count == 3 ? 4 : count, year_, 0, 9999)) return false;
    if (count == 2) *year_ += 2000;
    return *year_ >= 1;
  }

  bool Fraction(std::size_t count) {
    const std::string digits(Take(count, count, "0123456789"));
    if (digits.empty()) return false;
    ms_ = std::stoi((digits + "00").substr(0, 3));
    return true;
  }

  template <std::size_t kCount>
  bool Name(const std::string_view (&names)[kCount], std::size_t count, std::optional<int>& into) {
    for (std::size_t i = 0; i < kCount; ++i) {
      const std::string_view name = count >= 4 ? names[i] : names[i].substr(0, 3);
      if (rest_.size() < name.size() || Lower(rest_.substr(0, name.size())) != Lower(name)) continue;
      rest_.remove_prefix(name.size());
      into = static_cast<int>(i) + 1;
      return true;
    }
    return false;
  }

  bool HalfOfDay() {
    const std::string half = Lower(rest_.substr(0, 2));
    if (half != "am" && half != "pm") return false;
    afternoon_ = half == "pm";
    rest_.remove_prefix(2);
    return true;
  }

  bool ZoneName() {
    const std::string_view name = Take(1, 64, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_/+:-");
    zone_ = TimeZone::Find(std::string(name));
    return zone_.has_value();
  }

  bool ZoneOffset() {
    if (Literal("Z")) {
      offset_s_ = 0;
      return true;
    }
    const auto zone = TimeZone::Find(std::string(Take(2, 6, "+-0123456789:")));
    if (zone) offset_s_ = zone->At(0).offset_s;
    return zone.has_value();
  }

  std::string_view rest_;
  std::optional<int> year_, month_, day_, day_of_year_, hour_, half_hour_, minute_, second_, ignored_;
  std::optional<std::int64_t> offset_s_;
  std::optional<TimeZone> zone_;
  bool afternoon_ = false;
  int ms_ = 0;
};

}  // namespace

std::optional<std::string> FormatTime(std::string_view pattern, std::int64_t unix_ms, std::string_view zone) {
  const auto pieces = Split(pattern);
  const auto found = TimeZone::Find(std::string(zone));
  constexpr std::int64_t kDayMs = kDaySeconds * 1000;  // further than any zone is from UTC
  if (!pieces || !found || unix_ms < kLeastMs + kDayMs || unix_ms > kMostMs - kDayMs) return std::nullopt;
  const Moment moment = Break(unix_ms, *found, std::string(zone));
  std::string text;
  for (const Piece& piece : *pieces) {
    if (piece.letter == 0) {
      text += piece.text;
      continue;
    }
    const auto part = Format(piece, moment);
    if (!part) return std::nullopt;
    text += *part;
  }
  return text;
}

std::optional<std::int64_t> ReadTime(std::string_view text, std::string_view pattern) {
  const auto pieces = Split(pattern);
  if (!pieces || text.size() > kMaxText) return std::nullopt;
  Reader reader(text);
  for (const Piece& piece : *pieces) {
    if (!reader.Read(piece)) return std::nullopt;
  }
  return reader.Finish();
}

}  // namespace penumbra::rules
