#include "faults.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace penumbra_sim {
namespace {

// A driver has no business with the descriptor of its host's socket; a bad one may write there all the same.
constexpr int kHostSocket = 3;
constexpr int kFloodLines = 20000;

[[noreturn]] void Crash() {
  ::signal(SIGSEGV, SIG_DFL);  // sanitizers catch it otherwise
  ::raise(SIGSEGV);
  std::abort();
}

[[noreturn]] void Hang() {
  for (;;) ::pause();
}

void Flood(const penumbra_host& host) {
  for (int i = 0; i < kFloodLines; ++i) {
    host.log(host.context, PENUMBRA_LOG_WARNING, "simulated flood of log lines");
    std::fputs("simulated flood on standard error\n", stderr);
    std::fputs("simulated flood on standard output\n", stdout);
  }
}

void Garbage() {
  const std::array<unsigned char, 6> junk{0xFF, 0x00, 0xDE, 0xAD, 0xBE, 0xEF};
  [[maybe_unused]] const ssize_t written = ::write(kHostSocket, junk.data(), junk.size());
}

}  // namespace

std::string CurrentFault(const FaultOptions& options, std::int64_t reads) {
  if (!options.fault_file.empty()) {
    std::ifstream in(options.fault_file);
    std::string name;
    if (in >> name) return name;
  }
  return reads >= options.after ? options.fault : "none";
}

void Misbehave(const std::string& fault, const penumbra_host& host) {
  if (fault == "crash") Crash();
  if (fault == "hang") Hang();
  if (fault == "exit") std::exit(3);
  if (fault == "flood") Flood(host);
  if (fault == "garbage") Garbage();
}

}  // namespace penumbra_sim
