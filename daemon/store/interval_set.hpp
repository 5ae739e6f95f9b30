// A set of sequence numbers kept as ranges: what of a thing is not yet acknowledged. Live readings are sent before the
// backlog, so the unsent numbers are a long range and a few short ones, never a plain prefix.
// Deliberately without limits of its own: the owner watches ranges(). Pure values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

namespace penumbra {

class IntervalSet {
 public:
  // Both ends included; first <= last.
  void Add(std::uint64_t first, std::uint64_t last);
  // Answers how many numbers were in the set and are not any more.
  std::uint64_t Remove(std::uint64_t first, std::uint64_t last);

  bool Contains(std::uint64_t value) const;
  std::uint64_t CountIn(std::uint64_t first, std::uint64_t last) const;
  // The members in first..last.
  IntervalSet Within(std::uint64_t first, std::uint64_t last) const;
  // The smallest member >= value.
  std::optional<std::uint64_t> FirstFrom(std::uint64_t value) const;

  std::uint64_t count() const { return count_; }
  bool empty() const { return count_ == 0; }
  std::size_t ranges() const { return ranges_.size(); }
  const std::map<std::uint64_t, std::uint64_t>& map() const { return ranges_; }  // first -> last
  friend bool operator==(const IntervalSet&, const IntervalSet&) = default;

 private:
  std::map<std::uint64_t, std::uint64_t> ranges_;
  std::uint64_t count_ = 0;
};

}  // namespace penumbra
