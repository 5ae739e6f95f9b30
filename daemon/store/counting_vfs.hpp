// A SQLite VFS that passes everything on to another one and counts the bytes written: how the store knows what it
// costs the flash. Deliberately does nothing else; faults are injected by a test's VFS underneath (Options::vfs).
// Thread: registering and unregistering on the thread that opens; the counter on any thread.
// Source: sqlite.org/vfs.html, the shim pattern of SQLite's own test_vfstrace.c.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

struct sqlite3_vfs;

namespace penumbra {

class CountingVfs {
 public:
  // On top of the VFS called `below` (empty: the platform's). When that does not exist, name() is `below`, and opening
  // a database says so.
  explicit CountingVfs(const std::string& below);
  ~CountingVfs();
  CountingVfs(const CountingVfs&) = delete;
  CountingVfs& operator=(const CountingVfs&) = delete;

  const std::string& name() const { return name_; }
  std::uint64_t written() const { return written_.load(std::memory_order_relaxed); }
  // Called by the files.
  void Count(std::uint64_t bytes) { written_.fetch_add(bytes, std::memory_order_relaxed); }

 private:
  std::string name_;
  std::unique_ptr<sqlite3_vfs> vfs_;
  std::atomic<std::uint64_t> written_{0};
};

}  // namespace penumbra
