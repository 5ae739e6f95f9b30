// A TLS server that takes one MQTT CONNECT, answers bytes of the test's choice, and closes, at once or after a while in
// which it only listens: for the servers that mosquitto cannot be (of an old protocol version, refusing, hanging up,
// wanting another keep alive). It notes what the client said.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "component/mqtt/broker.hpp"

struct ssl_st;

namespace penumbra::test {

class TlsServer {
 public:
  // Listens at address:port (port 0: any); `answer` goes to every CONNECT. Throws when it cannot listen.
  TlsServer(const Pki& pki, std::string answer, const char* address = "127.0.0.1", std::uint16_t port = 0,
            std::chrono::milliseconds listens = {});
  ~TlsServer();
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  std::uint16_t port() const { return port_; }
  std::string server_name() const;  // SNI of the last client
  std::string alpn() const;         // offered protocols of the last client, wire form
  std::string connect() const;      // the CONNECT packet of the last client
  std::string later() const;        // what it sent after that

 private:
  void Run();
  void Serve(int fd);
  void Listen(ssl_st* ssl, int fd);  // SSL*

  const Pki& pki_;
  const std::string answer_;
  const std::chrono::milliseconds listens_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  std::string server_name_, alpn_, connect_, later_;
  std::thread thread_;
};

}  // namespace penumbra::test
