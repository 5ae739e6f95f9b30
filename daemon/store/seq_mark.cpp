#include "store/seq_mark.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <string>

#include "base/log.hpp"
#include "base/unique_fd.hpp"
#include "store/crc32.hpp"

namespace penumbra {
namespace {

std::string Text(std::uint64_t mark, std::uint64_t generation) {
  const std::string body = fmt::format("penumbra-seq {} {}", mark, generation);
  return fmt::format("{} {:08x}\n", body, Crc32(body));
}

Status Failed(const std::filesystem::path& path, std::string_view what) {
  return Fail(Action::kFatal, ErrnoMessage(fmt::format("cannot {} {}", what, path.string()), errno));
}

Status WriteSynced(const std::filesystem::path& path, const std::string& text) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
  if (!fd) return Failed(path, "write");
  if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) return Failed(path, "write");
  if (::fsync(fd.get()) != 0) return Failed(path, "sync");
  return {};
}

Status SyncFolder(const std::filesystem::path& folder) {
  const UniqueFd fd(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) return Failed(folder, "sync");
  return {};
}

}  // namespace

SeqMark::SeqMark(std::filesystem::path file) : file_(std::move(file)) {
  std::ifstream in(file_);
  if (!in) return;
  std::string line;
  std::getline(in, line);
  unsigned long long mark = 0;
  unsigned long long generation = 0;
  if (std::sscanf(line.c_str(), "penumbra-seq %llu %llu", &mark, &generation) == 2 &&
      line + "\n" == Text(mark, generation) && mark <= kMaxSeq) {
    mark_ = mark;
    generation_ = generation;
    return;
  }
  log::Error("store.seq_mark", "the sequence mark is unreadable; going on from the database and the clock",
             {{"file", file_.string()}});
}

std::uint64_t SeqMark::FirstFor(std::int64_t unix_ms) const {
  // A clock beyond any sense (year 140,000) must not eat the whole range.
  constexpr std::int64_t kLatest = 1LL << 52;
  return std::max<std::uint64_t>(mark_, static_cast<std::uint64_t>(std::clamp<std::int64_t>(unix_ms, 1, kLatest)));
}

Status SeqMark::Reserve(std::uint64_t seq) {
  if (seq < mark_) return {};
  if (seq >= kMaxSeq) return Fail(Action::kFatal, "the sequence numbers are used up");
  return Write(std::min(seq + kStep, kMaxSeq), generation_);
}

Status SeqMark::NextGeneration() {
  return Write(mark_, generation_ + 1);
}

Status SeqMark::Write(std::uint64_t mark, std::uint64_t generation) {
  std::filesystem::path fresh = file_;
  fresh += ".new";
  if (const Status written = WriteSynced(fresh, Text(mark, generation)); !written) return written;
  if (::rename(fresh.c_str(), file_.c_str()) != 0) return Failed(file_, "replace");
  if (const Status synced = SyncFolder(file_.parent_path()); !synced) return synced;
  mark_ = mark;
  generation_ = generation;
  return {};
}

}  // namespace penumbra
