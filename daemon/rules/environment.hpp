// What one run of a rule carries along: what functions may ask, how much it may still do, and why it failed. One
// thread.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "rules/rule.hpp"

namespace penumbra::rules {

class Environment {
 public:
  Environment(const Payload& payload, const Facts& facts)
      : payload_(payload), facts_(facts), random_(facts.random_seed) {}

  const Payload& payload() const { return payload_; }
  const Facts& facts() const { return facts_; }

  bool failed() const { return !why_.empty(); }
  const std::string& why() const { return why_; }
  // The first reason stays. Answers Undefined, for `return environment.Fail(...)`.
  Value Fail(std::string why) {
    if (why_.empty()) why_ = std::move(why);
    return {};
  }
  // get_or_default() forgives, but not that there is no more time.
  void Forgive() {
    if (steps_ <= kMaxSteps) why_.clear();
  }

  void Charge(std::uint64_t steps) {
    steps_ += steps;
    if (steps_ > kMaxSteps) Fail("the rule takes too long: an array in an array in an array?");
  }
  // Text that a function has made or looks at.
  Value Text(std::string text) {
    Charge(text.size() / 64);
    if (text.size() > kMaxTextBytes) return Fail("text grew above 512 KiB");
    return Value(std::move(text));
  }

  // splitmix64
  std::uint64_t Random() {
    std::uint64_t mixed = (random_ += 0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    return mixed ^ (mixed >> 31);
  }

 private:
  const Payload& payload_;
  const Facts& facts_;
  std::uint64_t random_;
  std::uint64_t steps_ = 0;
  std::string why_;
};

}  // namespace penumbra::rules
