#include "base/journal.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

#include "base/unique_fd.hpp"

namespace penumbra::log {
namespace {

constexpr std::string_view kPrefix = "PENUMBRA_";
constexpr std::size_t kMaxName = 64;  // systemd drops fields with longer names

bool AskWhetherJournal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat info {};
  if (stream == nullptr || ::fstat(STDERR_FILENO, &info) != 0) return false;
  return fmt::format("{}:{}", info.st_dev, info.st_ino) == stream;
}

UniqueFd ConnectJournal() {
  UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  constexpr std::string_view kPath = "/run/systemd/journal/socket";
  static_assert(kPath.size() < sizeof address.sun_path);
  kPath.copy(address.sun_path, kPath.size());
  // Connected to the socket file of now: a journal that is restarted keeps it, because systemd holds the socket.
  if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return {};
  return fd;
}

}  // namespace

void AppendJournalField(std::string& entry, std::string_view name, std::string_view value) {
  entry += name;
  if (value.find('\n') == std::string_view::npos) {
    entry += '=';
    entry += value;
  } else {
    entry += '\n';
    for (int shift = 0; shift < 64; shift += 8) {
      entry += static_cast<char>((static_cast<std::uint64_t>(value.size()) >> shift) & 0xff);
    }
    entry += value;
  }
  entry += '\n';
}

std::string JournalName(std::string_view key) {
  std::string name(kPrefix);
  for (const char c : key.substr(0, kMaxName - kPrefix.size())) {
    if (c >= 'a' && c <= 'z') {
      name += static_cast<char>(c - 'a' + 'A');
    } else {
      name += (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '_';
    }
  }
  return name;
}

bool JournalIsStandardError() {
  static const bool kAnswer = AskWhetherJournal();
  return kAnswer;
}

bool SendToJournal(std::string_view entry) {
  static const UniqueFd kSocket = ConnectJournal();
  return kSocket &&
         ::send(kSocket.get(), entry.data(), entry.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(entry.size());
}

}  // namespace penumbra::log
