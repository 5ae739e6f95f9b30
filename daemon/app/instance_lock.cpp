#include "app/instance_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

namespace penumbra {

Status EnsureDirectory(const std::filesystem::path& directory, std::string_view what) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error || !std::filesystem::is_directory(directory, error)) {
    return Fail(Action::kFixConfig,
                fmt::format("the {} directory {} cannot be created ({}); create it for the user of the daemon, or set "
                            "another one under [paths]",
                            what, directory.string(), error ? error.message() : "something else has that name"));
  }
  return {};
}

Result<UniqueFd> LockStateDirectory(const std::filesystem::path& state) {
  const std::filesystem::path file = state / "lock";
  UniqueFd fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) {
    return Fail(Action::kFixConfig,
                ErrnoMessage(fmt::format("the state directory {} cannot be written", state.string()), errno));
  }
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    return Fail(
        Action::kFixConfig,
        fmt::format("another penumbrad uses the state directory {}; stop it, or give this one its own under [paths]",
                    state.string()));
  }
  return fd;
}

}  // namespace penumbra
