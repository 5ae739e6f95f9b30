// Logging: transitions as one line of key=value text on stderr, with the <N> prefix that journald reads as priority.
// Any thread; one write(2) per line. Never secrets; payloads only at debug.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace penumbra::log {

enum class Level { kError = 3, kWarning = 4, kNotice = 5, kInfo = 6, kDebug = 7 };  // syslog priorities

// A key with its value as text; quoted when it needs to be.
struct Field {
  std::string_view key;
  std::string value;

  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const std::string& v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(v) {}
  template <typename T>
  requires std::is_arithmetic_v<T> Field(std::string_view k, T v) : key(k), value(fmt::format("{}", v)) {}
};

// Lines above this level are not written. Default: kInfo.
void SetLevel(Level level);
bool Enabled(Level level);
// The text of one line without the end of line. `event` is a stable dotted name ("bus.host_died"), for grep and for
// tests.
std::string Format(std::string_view event, std::string_view message, std::initializer_list<Field> fields);
void Write(Level level, std::string_view event, std::string_view message, std::initializer_list<Field> fields = {});

inline void Error(std::string_view event, std::string_view message, std::initializer_list<Field> fields = {}) {
  Write(Level::kError, event, message, fields);
}
inline void Warning(std::string_view event, std::string_view message, std::initializer_list<Field> fields = {}) {
  Write(Level::kWarning, event, message, fields);
}
inline void Notice(std::string_view event, std::string_view message, std::initializer_list<Field> fields = {}) {
  Write(Level::kNotice, event, message, fields);
}
inline void Info(std::string_view event, std::string_view message, std::initializer_list<Field> fields = {}) {
  Write(Level::kInfo, event, message, fields);
}
inline void Debug(std::string_view event, std::string_view message, std::initializer_list<Field> fields = {}) {
  if (Enabled(Level::kDebug)) Write(Level::kDebug, event, message, fields);
}

}  // namespace penumbra::log
