// A set of sequence numbers kept as ranges: an outbox works through nearly contiguous numbers, so a few ranges stand
// for hours of readings. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

namespace penumbra {

class SeqSet {
 public:
  void Insert(std::uint64_t seq);
  void Erase(std::uint64_t seq);
  bool Contains(std::uint64_t seq) const;
  void Clear() { ranges_.clear(); }
  std::size_t ranges() const { return ranges_.size(); }

 private:
  std::map<std::uint64_t, std::uint64_t> ranges_;  // first -> last, neither touching nor overlapping
};

}  // namespace penumbra
