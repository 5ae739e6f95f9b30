#include "store/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace penumbra {
namespace {

constexpr std::size_t kChunk = 64 * 1024;

tl::unexpected<Error> Failed(const std::filesystem::path& path, std::string_view what) {
  return Fail(Action::kFatal, ErrnoMessage(fmt::format("cannot {} {}", what, path.string()), errno));
}

Status WriteAll(int fd, std::string_view bytes, off_t at, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Failed(path, "write");
    bytes.remove_prefix(static_cast<std::size_t>(n));
    at += n;
  }
  return {};
}

class PlatformFiles : public Files {
 public:
  Result<std::optional<std::string>> Read(const std::filesystem::path& path) override {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd && errno == ENOENT) return std::nullopt;
    if (!fd) return Failed(path, "read");
    std::string bytes;
    std::array<char, kChunk> chunk;
    for (;;) {
      const ssize_t n = ::read(fd.get(), chunk.data(), chunk.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Failed(path, "read");
      if (n == 0) return bytes;
      bytes.append(chunk.data(), static_cast<std::size_t>(n));
    }
  }

  Result<std::string> ReadPart(const std::filesystem::path& path, std::uint64_t at, std::size_t size) override {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd && errno == ENOENT) return std::string();
    if (!fd) return Failed(path, "read");
    std::string bytes(size, '\0');
    for (std::size_t done = 0;;) {
      const ssize_t n = ::pread(fd.get(), bytes.data() + done, size - done, static_cast<off_t>(at + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Failed(path, "read");
      done += static_cast<std::size_t>(n);
      if (n > 0 && done < size) continue;
      bytes.resize(done);
      return bytes;
    }
  }

  Status WriteSynced(const std::filesystem::path& path, std::string_view bytes) override {
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
    if (!fd) return Failed(path, "write");
    if (const Status written = WriteAll(fd.get(), bytes, 0, path); !written) return written;
    if (::fsync(fd.get()) != 0) return Failed(path, "sync");
    return {};
  }

  Status Rewrite(const std::filesystem::path& path) override {
    const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (!fd && errno == ENOENT) return {};
    if (!fd) return Failed(path, "write");
    std::array<char, kChunk> chunk;
    for (off_t at = 0;;) {
      const ssize_t n = ::pread(fd.get(), chunk.data(), chunk.size(), at);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Failed(path, "read");
      if (n == 0) break;
      const std::string_view bytes(chunk.data(), static_cast<std::size_t>(n));
      if (const Status written = WriteAll(fd.get(), bytes, at, path); !written) return written;
      at += n;
    }
    if (::fsync(fd.get()) != 0) return Failed(path, "sync");
    return {};
  }

  Status Rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return Failed(to, "replace");
    return {};
  }

  Status Remove(const std::filesystem::path& path) override {
    if (::unlink(path.c_str()) != 0) return Failed(path, "remove");
    return {};
  }

  std::vector<std::string> List(const std::filesystem::path& folder) override {
    std::vector<std::string> names;
    std::error_code error;
    for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
      names.push_back(at->path().filename().native());
    }
    return names;
  }

  Status SyncFolder(const std::filesystem::path& folder) override {
    const UniqueFd fd(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd || ::fsync(fd.get()) != 0) return Failed(folder, "sync");
    return {};
  }

  bool Exists(const std::filesystem::path& path) override {
    std::error_code ignored;
    return std::filesystem::exists(path, ignored);
  }

  std::uint64_t Size(const std::filesystem::path& path) override {
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(path, error);
    return error ? 0 : size;
  }

  Space SpaceAt(const std::filesystem::path& path) override {
    struct statvfs fs {};
    // Before the first start there is only the folder.
    if (::statvfs(path.c_str(), &fs) != 0 && ::statvfs(path.parent_path().c_str(), &fs) != 0) return {};
    return {static_cast<std::uint64_t>(fs.f_bavail) * fs.f_frsize,
            static_cast<std::uint64_t>(fs.f_blocks) * fs.f_frsize};
  }

  Result<std::optional<UniqueFd>> Lock(const std::filesystem::path& path) override {
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
    if (!fd) return Fail(Action::kFixConfig, ErrnoMessage(fmt::format("cannot write {}", path.string()), errno));
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return std::nullopt;
    return std::optional(std::move(fd));
  }
};

}  // namespace

Files& Files::Platform() {
  static PlatformFiles files;
  return files;
}

}  // namespace penumbra
