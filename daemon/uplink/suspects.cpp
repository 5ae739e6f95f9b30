#include "uplink/suspects.hpp"

#include <algorithm>

namespace penumbra {

// nullptr: no room for another one.
Suspects::Suspect* Suspects::Known(std::uint64_t message) {
  const auto found = suspects_.find(message);
  if (found != suspects_.end()) return &found->second;
  return suspects_.size() < kMax ? &suspects_[message] : nullptr;
}

// Later, by how often it has struck. True: newly set aside.
bool Suspects::Postpone(Suspect& suspect, BootTime now) {
  if (suspect.strikes < kApart) return false;
  if (suspect.strikes < kSetAside) {
    suspect.due = now + kApartPause;
    return false;
  }
  const bool newly = suspect.pause == Duration::zero();
  suspect.pause = newly ? kFirstPause : std::min(suspect.pause * 2, kMaxPause);
  suspect.due = now + suspect.pause;
  if (newly) ++set_aside_;
  return newly;
}

bool Suspects::Struck(std::uint64_t message, BootTime now) {
  Suspect* const suspect = Known(message);
  if (suspect == nullptr) return false;
  ++suspect->strikes;
  suspect->costly = true;
  return Postpone(*suspect, now);
}

bool Suspects::Blamed(std::uint64_t message, bool certain, BootTime now) {
  Suspect* const suspect = Known(message);
  if (suspect == nullptr) return false;
  suspect->strikes = std::max(suspect->strikes, certain ? kSetAside : kApart);
  return Postpone(*suspect, now);
}

void Suspects::Recall(std::uint64_t message, Duration pause, BootTime now) {
  Suspect* const suspect = pause > Duration::zero() ? Known(message) : nullptr;
  if (suspect == nullptr) return;
  if (suspect->pause == Duration::zero()) ++set_aside_;
  *suspect = {kSetAside, true, now + std::min(pause, kFirstPause), std::min(pause, kMaxPause)};
}

std::vector<std::pair<std::uint64_t, Duration>> Suspects::Costly() const {
  std::vector<std::pair<std::uint64_t, Duration>> all;
  for (const auto& [message, suspect] : suspects_) {
    if (suspect.costly && suspect.pause > Duration::zero()) all.emplace_back(message, suspect.pause);
  }
  return all;
}

bool Suspects::Clear(std::uint64_t message) {
  const auto found = suspects_.find(message);
  if (found == suspects_.end()) return false;
  const bool was = found->second.pause > Duration::zero();
  if (was) --set_aside_;
  suspects_.erase(found);
  return was;
}

bool Suspects::Apart(std::uint64_t message) const {
  const auto found = suspects_.find(message);
  return found != suspects_.end() && found->second.strikes >= kApart;
}

bool Suspects::SetAside(std::uint64_t message) const {
  const auto found = suspects_.find(message);
  return found != suspects_.end() && found->second.pause > Duration::zero();
}

Duration Suspects::Wait(std::uint64_t message, BootTime now) const {
  const auto found = suspects_.find(message);
  if (found == suspects_.end() || found->second.strikes < kApart) return Duration::zero();
  return std::max(Duration::zero(), found->second.due - now);
}

std::optional<Suspects::Next> Suspects::First() const {
  std::optional<Next> first;
  for (const auto& [message, suspect] : suspects_) {
    if (suspect.strikes >= kApart && (!first || suspect.due < first->due)) first = {message, suspect.due};
  }
  return first;
}

}  // namespace penumbra
