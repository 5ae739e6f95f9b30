#include "api/unix_socket.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

namespace penumbra::api {
namespace {

Result<sockaddr_un> Address(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string& text = path.native();
  if (text.empty() || text.size() >= sizeof address.sun_path) {
    return Fail(
        Action::kFixConfig,
        fmt::format("the socket path {} has {} bytes, at most {} are possible; set [paths] run to a shorter one", text,
                    text.size(), sizeof address.sun_path - 1));
  }
  std::memcpy(address.sun_path, text.data(), text.size());
  return address;
}

Result<UniqueFd> OpenSocket() {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return Fail(Action::kFixConfig, ErrnoMessage("cannot make a Unix socket", errno));
  return fd;
}

Status RemoveStale(const sockaddr_un& address, const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return {};  // nothing there; bind() says what else is wrong
  if (!S_ISSOCK(info.st_mode)) {
    return Fail(Action::kFixConfig, fmt::format("{} is in the way and is not a socket; remove it", path));
  }
  auto probe = OpenSocket();
  if (!probe) return Fail(probe.error());
  const int rc = ::connect(probe->get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int error = rc == 0 ? 0 : errno;
  // EAGAIN: its backlog is full, so somebody listens.
  if (error == 0 || error == EAGAIN || error == EINPROGRESS) {
    return Fail(Action::kFixConfig, fmt::format("another penumbrad is running: it answers on {}", path));
  }
  if (error != ECONNREFUSED && error != ENOENT) {
    return Fail(Action::kFixConfig, ErrnoMessage("cannot tell whether " + path + " is in use", error));
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return Fail(Action::kFixConfig, ErrnoMessage("cannot remove the stale socket " + path, errno));
  }
  return {};
}

}  // namespace

Result<UnixListener> UnixListener::Bind(const std::filesystem::path& path) {
  const auto address = Address(path);
  if (!address) return Fail(address.error());
  if (const Status status = RemoveStale(*address, path.native()); !status) return Fail(status.error());
  auto fd = OpenSocket();
  if (!fd) return Fail(fd.error());
  if (::bind(fd->get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
    return Fail(Action::kFixConfig, ErrnoMessage("cannot make the socket " + path.native(), errno));
  }
  UnixListener listener(std::move(*fd), path);
  struct stat info {};
  // Nobody can connect before listen(), so the mode that bind() gave it by the umask is never in force.
  if (::lstat(path.c_str(), &info) != 0 || ::chmod(path.c_str(), 0660) != 0) {
    return Fail(Action::kFixConfig, ErrnoMessage("cannot set the mode of " + path.native(), errno));
  }
  listener.device_ = info.st_dev;
  listener.inode_ = info.st_ino;
  if (::listen(listener.fd_.get(), kBacklog) != 0) {
    return Fail(Action::kFixConfig, ErrnoMessage("cannot listen on " + path.native(), errno));
  }
  return listener;
}

bool UnixListener::IsGone() const {
  struct stat info {};
  return ::lstat(path_.c_str(), &info) != 0 && errno == ENOENT;
}

UnixListener::~UnixListener() {
  struct stat info {};
  if (path_.empty() || ::lstat(path_.c_str(), &info) != 0) return;
  if (info.st_dev == device_ && info.st_ino == inode_) ::unlink(path_.c_str());
}

}  // namespace penumbra::api
