// A disk in memory that remembers every operation, so that a test can cut the power after any of them, and that can be
// told to fail. A SQLite VFS and the store's Files (store/files.hpp) both write to it: everything that the store keeps
// is under one model.
//
// The model is what POSIX promises and no more:
//   - what a file held when its last sync came back is there after a power cut;
//   - of what was written since, each sector of 512 bytes has, independently of every other, any of the contents that
//   it
//     went through since then: a write may be missing, torn between sectors, or overtaken by a later one;
//   - a file's size is any that it had since its last sync; sectors that came with a size and were not written hold
//     zeros or garbage;
//   - a name that was made, removed or renamed since the folder's last sync is there or not, each for itself; a rename
//     is never half done; what a name points to keeps its own contents;
//   - after a failed sync nobody knows what is on the disk, and the kernel holds its pages for written: a later sync
//     that succeeds promises nothing for them (PostgreSQL's "fsyncgate", ext4 since 4.13).
// Deliberately without permissions, memory mapping and locks between processes: one connection for each database.
// Shared memory (the index of the WAL) is held in memory and never survives, as SQLite treats it.
//
// Thread: one at a time.
// Source: sqlite.org/atomiccommit.html, fsync(2), Pillai et al., "All File Systems Are Not Created Equal" (OSDI 2014).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "store/files.hpp"

struct sqlite3_vfs;

namespace penumbra::test {

// What is on a disk that nobody writes to: names and contents.
using DiskImage = std::map<std::string, std::string>;

// Of names and contents; equal images have equal hashes.
std::uint64_t HashOf(const DiskImage& image);

class ModelDisk : public Files {
 public:
  static constexpr std::size_t kSector = 512;

  enum class Kind { kCreate, kRemove, kRename, kWrite, kTruncate, kSync, kFailedSync, kSyncFolder };
  struct Operation {
    Kind kind;
    int file = -1;         // kCreate, kWrite, kTruncate, kSync, kFailedSync
    std::string name;      // kCreate, kRemove, kRename (the old one)
    std::string target;    // kRename: the new one
    std::uint64_t at = 0;  // kWrite: offset; kTruncate: the new size
    std::string bytes;     // kWrite
  };

  ModelDisk() : ModelDisk(DiskImage()) {}
  // Begins with `image`, all of it durable.
  explicit ModelDisk(const DiskImage& image);
  ~ModelDisk() override;
  ModelDisk(const ModelDisk&) = delete;
  ModelDisk& operator=(const ModelDisk&) = delete;

  // The registered VFS that writes here.
  const std::string& vfs() const { return name_; }

  // The operations so far: crash points are 0 .. operations(), the power failing before that operation.
  std::size_t operations() const { return log_.size(); }
  const std::vector<Operation>& log() const { return log_; }
  // For long runs that nobody cuts the power under.
  void ForgetLog() { log_.clear(); }
  // As a program sees it now.
  DiskImage Contents() const;

  // ---- faults ----
  enum class Fault { kNone, kIoError, kFull };
  // Answers what becomes of each write (sizes and bytes) and each sync. Asked before it happens.
  std::function<Fault(Kind kind, const std::string& name, std::size_t bytes)> on_operation;
  // Syncs that claim to have happened and did nothing: a drive that lies, or synchronous=OFF.
  bool ignore_syncs = false;
  // What is left for us: writes that make files grow beyond it fail with kFull, and SpaceAt says so.
  std::uint64_t capacity = UINT64_MAX;

  // ---- Files ----
  Result<std::optional<std::string>> Read(const std::filesystem::path& path) override;
  Result<std::string> ReadPart(const std::filesystem::path& path, std::uint64_t at, std::size_t size) override;
  Status WriteSynced(const std::filesystem::path& path, std::string_view bytes) override;
  Status Rewrite(const std::filesystem::path& path) override;
  Status Rename(const std::filesystem::path& from, const std::filesystem::path& to) override;
  Status Remove(const std::filesystem::path& path) override;
  std::vector<std::string> List(const std::filesystem::path& folder) override;
  Status SyncFolder(const std::filesystem::path& folder) override;
  bool Exists(const std::filesystem::path& path) override;
  std::uint64_t Size(const std::filesystem::path& path) override;
  Space SpaceAt(const std::filesystem::path& path) override;
  Result<std::optional<UniqueFd>> Lock(const std::filesystem::path& path) override;

  // ---- for the VFS ----
  struct File {
    std::string name;  // as it was made
    std::string bytes;
    std::deque<std::string> index;  // the pages of its shared memory; gone with the last one that uses it
    int index_users = 0;
  };
  // nullptr: there is no such file.
  std::shared_ptr<File> Find(const std::string& name) const;
  std::shared_ptr<File> Create(const std::string& name);
  Fault WriteAt(File& file, std::uint64_t at, std::string_view bytes);
  Fault Truncate(File& file, std::uint64_t size);
  Fault Sync(File& file);
  bool Unlink(const std::string& name);
  void Randomness(char* out, int n);

 private:
  int NumberOf(const File& file) const;
  std::uint64_t Used() const;
  Fault Ask(Kind kind, const File& file, std::size_t bytes);

  std::string name_;
  std::unique_ptr<sqlite3_vfs> vfs_;
  std::map<std::string, std::shared_ptr<File>> names_;
  std::map<const File*, int> numbers_;
  std::vector<std::shared_ptr<File>> files_;  // by number, removed ones too
  std::vector<Operation> log_;
  std::mt19937_64 random_;  // the salts of a WAL: the same in every run
};

// What may be on the disk when the power fails: walks a disk's log once, from one crash point to the next.
class PowerCut {
 public:
  // `disk` outlives this; `began` is the image that it began with.
  PowerCut(const ModelDisk& disk, const DiskImage& began);

  std::size_t point() const { return point_; }
  // Moves on to before operation `point` (not back).
  void Advance(std::size_t point);

  enum class Survivors {
    kNothing,     // only what was synced
    kEverything,  // as if the kernel had just written all of it
    kArbitrary,   // each sector, size and name as `random` has it
  };
  DiskImage Image(Survivors survivors, std::mt19937_64& random) const;
  // There is something that may or may not survive.
  bool open() const;

 private:
  struct Sector {
    std::vector<std::string> versions;  // what may be on the disk; the first: before anything happened to it
    bool dirty = true;                  // false: a sync has failed, and the kernel will not write it again
  };
  struct Durable {
    std::string live;                         // as a program sees it
    std::string name;                         // as it was made
    std::map<std::uint64_t, Sector> sectors;  // not known to be on the disk
    std::vector<std::uint64_t> sizes;         // that it may have; the last one is live's
  };
  struct NameChange {
    std::string name;
    int file = -1;         // -1: gone
    std::string old_name;  // of a rename: gone at the same time
  };
  void Apply(const ModelDisk::Operation& operation);
  void Write(Durable& file, const ModelDisk::Operation& operation);
  std::string Contents(const Durable& file, Survivors survivors, std::mt19937_64& random) const;

  const ModelDisk& disk_;
  std::size_t point_ = 0;
  std::map<int, Durable> files_;
  std::map<std::string, int> names_;  // durable
  std::vector<NameChange> changes_;   // since the folder's last sync
};

}  // namespace penumbra::test
