// i2c_simulator --socket PATH [--wander] [--own 0x48] sht3x@0x44 bme280@0x76 ...: an emulated I2C bus as a process, for
// programs that run with shim.c before their system calls. Prints "ready" when it listens; ends on SIGTERM or SIGINT.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>

#include "support/i2c/simulator_server.hpp"

namespace {

penumbra::test::SimulatorServer* g_server = nullptr;  // for the signal handler

void OnSignal(int) {
  if (g_server != nullptr) g_server->Stop();
}

std::uint8_t Address(const std::string& text) {
  char* end = nullptr;
  const long address = std::strtol(text.c_str(), &end, 0);
  if (text.empty() || *end != '\0' || address < 0x08 || address > 0x77) {
    throw std::invalid_argument("\"" + text + "\" is no address from 0x08 to 0x77");
  }
  return static_cast<std::uint8_t>(address);
}

}  // namespace

int main(int argc, char** argv) try {
  std::string socket;
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::strcmp(argv[i], "--socket") == 0) socket = argv[i + 1];
  }
  if (socket.empty()) throw std::invalid_argument("usage: i2c_simulator --socket PATH [--wander] CHIP@ADDRESS...");
  penumbra::test::SimulatorServer server(socket);
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const std::size_t at = word.find('@');
    if (word == "--wander") {
      server.wander = true;
    } else if (word == "--socket") {
      ++i;
    } else if (word == "--own" && i + 1 < argc) {
      server.world.Own(Address(argv[++i]));
    } else if (at != std::string::npos) {
      server.world.Plug(Address(word.substr(at + 1)), word.substr(0, at), penumbra::test::SimulatorServer::NowNs());
    } else {
      throw std::invalid_argument("\"" + word + "\" is no CHIP@ADDRESS");
    }
  }
  g_server = &server;
  std::signal(SIGTERM, OnSignal);
  std::signal(SIGINT, OnSignal);
  std::puts("ready");
  std::fflush(stdout);
  server.Run();
  return 0;
} catch (const std::exception& failure) {
  std::fprintf(stderr, "i2c_simulator: %s\n", failure.what());
  return 2;
}
