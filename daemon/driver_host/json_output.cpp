#include "driver_host/json_output.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "driver_host/serve.hpp"

namespace penumbra::host {
namespace {

constexpr std::size_t kMaxConfiguration = 16 * 1024 * 1024;

}  // namespace

std::string Quote(const char* text, std::size_t max) {
  std::string out = "\"";
  for (const char* p = text == nullptr ? "" : text; *p != '\0' && max > 0; ++p, --max) {
    const auto c = static_cast<unsigned char>(*p);
    if (c == '"' || c == '\\') out += '\\';
    if (c >= 0x20) {
      out += *p;
      continue;
    }
    std::array<char, 8> escaped{};
    std::snprintf(escaped.data(), escaped.size(), "\\u%04x", c);
    out += escaped.data();
  }
  return out + '"';
}

void WriteLine(int fd, std::string text) {
  text += '\n';
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t n = ::write(fd, text.data() + done, text.size() - done);
    if (n < 0 && errno != EINTR) return;
    if (n > 0) done += static_cast<std::size_t>(n);
  }
}

int TakeStandardOutput() {
  const int out = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
  return out;
}

int Failure(int out, const std::string& error) {
  WriteLine(out, "{\"error\":" + Quote(error.c_str()) + "}");
  return kExitFailed;
}

bool ReadAll(int fd, std::string& text) {
  std::array<char, 16384> part{};
  for (;;) {
    const ssize_t n = ::read(fd, part.data(), part.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 || text.size() > kMaxConfiguration) return false;
    if (n == 0) return true;
    text.append(part.data(), static_cast<std::size_t>(n));
  }
}

}  // namespace penumbra::host
