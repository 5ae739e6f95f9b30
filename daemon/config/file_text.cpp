#include "config/file_text.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>

#include "base/unique_fd.hpp"
#include "config/toml_reader.hpp"

namespace penumbra {

Result<std::string> ReadFileText(const std::filesystem::path& path) {
  // Non-blocking, because opening a FIFO waits for a writer otherwise.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return Fail(Action::kFixConfig, ErrnoMessage("cannot open the file", errno));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return Fail(Action::kFixConfig, ErrnoMessage("cannot read the file", errno));
  if (S_ISDIR(info.st_mode)) return Fail(Action::kFixConfig, "this is a folder; give the TOML file in it");
  if (!S_ISREG(info.st_mode)) return Fail(Action::kFixConfig, "this is not a regular file");
  std::string text;
  std::array<char, 16384> chunk{};
  while (text.size() <= kMaxTomlBytes) {
    const ssize_t got = ::read(fd.get(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Fail(Action::kFixConfig, ErrnoMessage("cannot read the file", errno));
    if (got == 0) return text;
    text.append(chunk.data(), static_cast<std::size_t>(got));
  }
  return Fail(Action::kFixConfig, fmt::format("larger than {} MiB: is this a configuration?", kMaxTomlBytes >> 20));
}

}  // namespace penumbra
