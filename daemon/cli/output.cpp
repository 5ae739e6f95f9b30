#include "cli/output.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "cli/exit_code.hpp"

namespace penumbra::cli {

Style OutputStyle(bool no_color) {
  if (::isatty(STDOUT_FILENO) == 0) return {};
  // no-color.org: set and not empty.
  const char* variable = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  const bool dumb = terminal != nullptr && std::string_view(terminal) == "dumb";
  winsize size{};
  const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
  return {.color = !no_color && !dumb && (variable == nullptr || *variable == '\0'),
          .width = known ? size.ws_col : std::size_t{0}};
}

void Print(std::string_view text) {
  const std::size_t written = std::fwrite(text.data(), 1, text.size(), stdout);
  if (written == text.size() && std::fflush(stdout) == 0) return;
  if (errno == EPIPE) std::_Exit(kExitOk);
  Complain(ErrnoMessage("cannot write the output", errno));
  std::_Exit(kExitFailed);
}

void Complain(std::string_view message) {
  const std::string line = "penumbra: " + Printable(message) + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

void Complain(const Error& error) {
  Complain(error.message);
}

std::int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace penumbra::cli
