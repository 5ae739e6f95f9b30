// What the store does to the file system beside SQLite: the sequence mark, the lock, setting a damaged file aside.
// A seam, so that a test can cut the power under all of the store's files and not only under SQLite's
// (tests/support/model_disk.hpp). Deliberately small: files by path, mostly whole.
// Thread: the store thread, or the thread that opens before it starts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace penumbra {

class Files {
 public:
  virtual ~Files() = default;
  static Files& Platform();

  // nullopt: there is no such file. Error kFatal: it cannot be read.
  virtual Result<std::optional<std::string>> Read(const std::filesystem::path& path) = 0;
  // `size` bytes from `at` on; fewer at the end of the file, none behind it or without a file. Error kFatal: the disk
  // does not give them.
  virtual Result<std::string> ReadPart(const std::filesystem::path& path, std::uint64_t at, std::size_t size) = 0;
  // Creates or replaces the file; its bytes are durable afterwards, its name only after SyncFolder.
  virtual Status WriteSynced(const std::filesystem::path& path, std::string_view bytes) = 0;
  // Writes the file's own bytes over themselves and syncs. After a failed fsync the kernel takes pages for written
  // that are not; this makes it write them. A missing file is fine.
  virtual Status Rewrite(const std::filesystem::path& path) = 0;
  virtual Status Rename(const std::filesystem::path& from, const std::filesystem::path& to) = 0;
  // Error kFatal; a missing file is one.
  virtual Status Remove(const std::filesystem::path& path) = 0;
  // Names in the folder, in any order; none when it cannot be read.
  virtual std::vector<std::string> List(const std::filesystem::path& folder) = 0;
  virtual Status SyncFolder(const std::filesystem::path& folder) = 0;
  virtual bool Exists(const std::filesystem::path& path) = 0;
  virtual std::uint64_t Size(const std::filesystem::path& path) = 0;  // 0: no such file

  // Of the file system that holds `path`, or will hold it: the file need not be there yet. UINT64_MAX: unknown.
  struct Space {
    std::uint64_t free = UINT64_MAX;  // for us
    std::uint64_t total = UINT64_MAX;
  };
  virtual Space SpaceAt(const std::filesystem::path& path) = 0;

  // Created if need be, and locked against every other process for as long as the answer lives. nullopt: it is taken.
  // Error kFixConfig: the place cannot be written.
  virtual Result<std::optional<UniqueFd>> Lock(const std::filesystem::path& path) = 0;
};

}  // namespace penumbra
