// Where standard error is the journal, lines go there with their fields (journal.hpp); else as text with the <N>
// prefix.
#include "base/log.hpp"

#include <errno.h>
#include <unistd.h>

#include <atomic>

#include "base/journal.hpp"

namespace penumbra::log {
namespace {

std::atomic<Level> g_level{Level::kInfo};  // the one process-wide setting: a log level has no owner

void AppendValue(std::string& line, std::string_view value) {
  const bool plain = !value.empty() && value.find_first_of(" \t\r\n\"=\\") == std::string_view::npos;
  if (plain) {
    line += value;
    return;
  }
  line += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      line += '\\';
      line += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      line += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      line += c;
    }
  }
  line += '"';
}

bool WriteToJournal(Level level, std::string_view event, const std::string& line, std::initializer_list<Field> fields) {
  std::string entry;
  AppendJournalField(entry, "PRIORITY", std::to_string(static_cast<int>(level)));
  AppendJournalField(entry, "SYSLOG_IDENTIFIER", program_invocation_short_name);
  AppendJournalField(entry, "MESSAGE", line);
  AppendJournalField(entry, JournalName("event"), event);
  for (const Field& field : fields) AppendJournalField(entry, JournalName(field.key), field.value);
  return SendToJournal(entry);
}

}  // namespace

void SetLevel(Level level) {
  g_level = level;
}
bool Enabled(Level level) {
  return level <= g_level.load(std::memory_order_relaxed);
}

std::string Format(std::string_view event, std::string_view message, std::initializer_list<Field> fields) {
  std::string line = fmt::format("event={} msg=", event);
  AppendValue(line, message);
  for (const Field& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    AppendValue(line, field.value);
  }
  return line;
}

void Write(Level level, std::string_view event, std::string_view message, std::initializer_list<Field> fields) {
  if (!Enabled(level)) return;
  const std::string text = Format(event, message, fields);
  if (JournalIsStandardError() && WriteToJournal(level, event, text, fields)) return;
  const std::string line = fmt::format("<{}>{}\n", static_cast<int>(level), text);
  // A full or closed stderr must never stop the daemon, so the result is not looked at.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace penumbra::log
