// Collects what is wrong with a configuration while the rest of it is still being read. One thread.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "config/node.hpp"

namespace penumbra {

class Diagnostics {
 public:
  // More than anybody reads; what comes after is only counted.
  static constexpr std::size_t kMax = 200;

  void Error(const Place& place, std::string message) { Add(place, false, std::move(message)); }
  void Warning(const Place& place, std::string message) { Add(place, true, std::move(message)); }

  // Errors so far, those beyond kMax included.
  std::size_t errors() const { return errors_; }
  // True: no message is kept any more, so it need not be made well.
  bool Full() const { return entries_.size() >= kMax; }

  // By file in order of reading, then line and column; the same said twice of the same place appears once.
  std::vector<Diagnostic> Sorted() const;

 private:
  struct Entry {
    int order;
    Diagnostic diagnostic;
  };
  void Add(const Place& place, bool warning, std::string message);

  std::vector<Entry> entries_;
  std::size_t errors_ = 0;
  std::size_t dropped_ = 0;
  bool dropped_errors_ = false;
};

}  // namespace penumbra
