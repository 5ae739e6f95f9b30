#include "store/seq_mark.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string>

#include "base/log.hpp"
#include "store/crc32.hpp"

namespace penumbra {
namespace {

std::string Text(std::uint64_t mark, std::uint64_t generation) {
  const std::string body = fmt::format("penumbra-seq {} {}", mark, generation);
  return fmt::format("{} {:08x}\n", body, Crc32(body));
}

}  // namespace

SeqMark::SeqMark(std::filesystem::path file, Files& files) : file_(std::move(file)), files_(files) {
  const auto text = files_.Read(file_);
  if (text && !*text) return;
  const std::string line = text ? (*text)->substr(0, (*text)->find('\n')) : std::string();
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

Status SeqMark::Regain(std::uint64_t seq, std::uint64_t generation) {
  if ((seq == 0 || seq < mark_) && generation <= generation_) return {};
  const std::uint64_t mark = seq == 0 || seq < mark_ ? mark_ : std::min(seq + kStep, kMaxSeq);
  return Write(mark, std::max(generation, generation_));
}

Status SeqMark::Write(std::uint64_t mark, std::uint64_t generation) {
  std::filesystem::path fresh = file_;
  fresh += ".new";
  if (const Status written = files_.WriteSynced(fresh, Text(mark, generation)); !written) return written;
  if (const Status renamed = files_.Rename(fresh, file_); !renamed) return renamed;
  if (const Status synced = files_.SyncFolder(file_.parent_path()); !synced) return synced;
  mark_ = mark;
  generation_ = generation;
  return {};
}

}  // namespace penumbra
