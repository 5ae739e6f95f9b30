// A real mosquitto with TLS and client certificates for component tests, and the certificates themselves, made on the
// fly with the openssl program in a folder of its own that is removed at the end. Not a model of AWS IoT Core: that is
// tests/iotcore.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "support/reserved_port.hpp"

namespace penumbra::test {

// A folder with a small authority: ca.pem, other-ca.pem, server.{crt,key} for localhost and 127.0.0.1.
class Pki {
 public:
  Pki();
  ~Pki();
  Pki(const Pki&) = delete;
  Pki& operator=(const Pki&) = delete;

  std::filesystem::path Path(const std::string& name) const { return folder_ / name; }
  // <name>.crt and <name>.key signed by `authority` ("ca" or "other-ca").
  void Issue(const std::string& name, const std::string& authority = "ca");

 private:
  void MakeAuthority(const std::string& name);
  std::filesystem::path folder_;
};

class Broker {
 public:
  // `extra`: more lines for mosquitto.conf. Throws when mosquitto does not come up.
  explicit Broker(const Pki& pki, const std::string& extra = {});
  ~Broker();
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  std::uint16_t port() const { return port_; }
  void Kill();   // SIGKILL, reaped
  void Start();  // again, on the same port
  void Pause();  // SIGSTOP: the sockets stay, nobody answers
  void Resume();

 private:
  const Pki& pki_;
  const ReservedPort reserved_;
  const std::uint16_t port_ = reserved_.number();
  pid_t pid_ = -1;
};

}  // namespace penumbra::test
