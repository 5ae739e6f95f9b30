// Binding and removing the socket file. Blocking only as far as the local file system is. Source: unix(7).
#pragma once

#include <sys/types.h>

#include <filesystem>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace penumbra::api {

// A listening socket and its file. Destroying it closes the socket and removes the file, unless somebody has put
// another file there meanwhile.
class UnixListener {
 public:
  static constexpr int kBacklog = 64;

  // Replaces a stale socket file; the new one has mode 0660. Errors (kFixConfig) as in server.hpp, Create.
  static Result<UnixListener> Bind(const std::filesystem::path& path);

  UnixListener(UnixListener&&) = default;
  UnixListener& operator=(UnixListener&&) = delete;
  ~UnixListener();

  // Somebody has removed the file: nobody can connect any more.
  bool IsGone() const;

  // Gives the descriptor away; the file stays this object's to remove.
  int ReleaseFd() { return fd_.Release(); }

 private:
  UnixListener(UniqueFd fd, std::filesystem::path path) : fd_(std::move(fd)), path_(std::move(path)) {}

  UniqueFd fd_;
  std::filesystem::path path_;  // empty after a move
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace penumbra::api
