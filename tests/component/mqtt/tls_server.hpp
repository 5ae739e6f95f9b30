// A TLS server that takes one MQTT CONNECT, answers bytes of the test's choice, and closes: for the servers that
// mosquitto cannot be (of an old protocol version, refusing, hanging up). It notes what the client said in its hello.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "component/mqtt/broker.hpp"

namespace penumbra::test {

class TlsServer {
 public:
  // Listens at address:port (port 0: any); `answer` goes to every CONNECT. Throws when it cannot listen.
  TlsServer(const Pki& pki, std::string answer, const char* address = "127.0.0.1", std::uint16_t port = 0);
  ~TlsServer();
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  std::uint16_t port() const { return port_; }
  std::string server_name() const;  // SNI of the last client
  std::string alpn() const;         // offered protocols of the last client, wire form
  std::string connect() const;      // the CONNECT packet of the last client

 private:
  void Run();
  void Serve(int fd);

  const Pki& pki_;
  const std::string answer_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  std::string server_name_, alpn_, connect_;
  std::thread thread_;
};

}  // namespace penumbra::test
