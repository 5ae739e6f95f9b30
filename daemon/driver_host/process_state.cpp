#include "driver_host/process_state.hpp"

#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <clocale>
#include <filesystem>
#include <system_error>

namespace penumbra::host {
namespace {

int CountEntries(const char* folder) {
  std::error_code error;
  int count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder, error)) ++count;
  return count;
}

}  // namespace

int OpenDescriptors() {
  return CountEntries("/proc/self/fd");
}

std::size_t HeapBytes() {
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

ProcessState ProcessState::Now() {
  ProcessState state;
  sigset_t mask{};
  ::sigprocmask(SIG_BLOCK, nullptr, &mask);
  for (int signal = 1; signal < static_cast<int>(state.handlers.size()); ++signal) {
    struct sigaction action {};
    ::sigaction(signal, nullptr, &action);
    state.handlers[static_cast<std::size_t>(signal)] = action.sa_handler;
    state.blocked[static_cast<std::size_t>(signal)] = ::sigismember(&mask, signal) == 1;
  }
  state.threads = CountEntries("/proc/self/task");
  state.descriptors = OpenDescriptors();
  std::error_code error;
  state.folder = std::filesystem::current_path(error).string();
  const char* locale = std::setlocale(LC_ALL, nullptr);
  state.locale = locale == nullptr ? "" : locale;
  const mode_t bits = ::umask(0);
  ::umask(bits);
  state.umask_bits = static_cast<int>(bits);
  return state;
}

std::vector<std::string> ProcessState::DifferencesTo(const ProcessState& before) const {
  std::vector<std::string> differences;
  if (handlers != before.handlers) differences.emplace_back("it changes how signals are handled");
  if (blocked != before.blocked) differences.emplace_back("it changes which signals are blocked");
  if (threads > before.threads) differences.emplace_back("a thread still runs after close");
  if (descriptors > before.descriptors) differences.emplace_back("descriptors are left open after close");
  if (folder != before.folder) differences.emplace_back("it changes the working folder");
  if (locale != before.locale) differences.emplace_back("it changes the locale of the process");
  if (umask_bits != before.umask_bits) differences.emplace_back("it changes the umask");
  return differences;
}

}  // namespace penumbra::host
