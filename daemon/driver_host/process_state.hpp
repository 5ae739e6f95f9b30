// What a driver may not change of its process: signals, threads, descriptors, working folder. For examinations. Main
// thread.
#pragma once

#include <array>
#include <csignal>
#include <string>
#include <vector>

namespace penumbra::host {

struct ProcessState {
  static ProcessState Now();
  // "the signal mask", ...: what is different now, in words for the author of a driver.
  std::vector<std::string> DifferencesTo(const ProcessState& before) const;

  std::array<void (*)(int), 32> handlers{};
  std::array<bool, 32> blocked{};
  int threads = 0;
  int descriptors = 0;
  std::string folder;
  std::string locale;
  int umask_bits = 0;
};

int OpenDescriptors();
// Handed out by the C library's heap.
std::size_t HeapBytes();

}  // namespace penumbra::host
