// The high-water mark of seq in a small file beside the database: "<database>.seq". It stands ahead of every seq ever
// given, so that a database that was lost, replaced or restored from an old copy never gives one a second time, even
// with the wall clock back in 1970.
// The file also counts generations: each opening and each clean closing of the database adds one, in the file and then
// in the database. A database whose generation is not the file's is not the one that was used last.
// Deliberately not in the database: it must survive it. Blocking (two fsyncs per rewrite, which is rare).
// Thread: the store thread.
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/error.hpp"
#include "store/files.hpp"

namespace penumbra {

class SeqMark {
 public:
  static constexpr std::uint64_t kStep = 10'000'000;          // reserved at a time; one rewrite per so many readings
  static constexpr std::uint64_t kMaxSeq = (1ULL << 53) - 1;  // JSON numbers stay exact up to here

  // A missing file is generation 0, mark 0; an unreadable one likewise, and is logged.
  explicit SeqMark(std::filesystem::path file, Files& files = Files::Platform());

  std::uint64_t mark() const { return mark_; }
  std::uint64_t generation() const { return generation_; }

  // Every seq in use is below this: the first for a thing that has none. Unix time helps when the file is lost too.
  std::uint64_t FirstFor(std::int64_t unix_ms) const;
  // Makes the file's mark larger than `seq`, durably, before that seq is given.
  Status Reserve(std::uint64_t seq);
  Status NextGeneration();
  // The file is written again as it was: it may have been removed.
  Status Renew() { return Write(mark_, generation_); }
  // After the file was lost: what the database shows to have been in use. Does nothing when that is known already.
  Status Regain(std::uint64_t seq, std::uint64_t generation);

 private:
  Status Write(std::uint64_t mark, std::uint64_t generation);

  std::filesystem::path file_;
  Files& files_;
  std::uint64_t mark_ = 0;
  std::uint64_t generation_ = 0;
};

}  // namespace penumbra
