// The stand-in's certificate authority: a root, a server certificate, and one P-256 client certificate a thing, made
// on the fly into a folder. Certificates are valid for a day: nothing here is for use outside of tests.
// Blocking file I/O, one thread. Source: aws-iot-core.md section 1 (file modes, certificate kinds).
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace penumbra::iotcore {

class Pki {
 public:
  // Makes `folder` with root_ca.pem, server.pem.crt, server.pem.key (its names: localhost, 127.0.0.1, ::1 and
  // `server_names`). Errors: kFatal (disk, OpenSSL).
  static Result<std::unique_ptr<Pki>> Create(std::filesystem::path folder, std::vector<std::string> server_names);
  ~Pki();

  // <folder>/credentials/<thing>.pem.crt and .pem.key (0600), common name = thing. Replaces what is there.
  Status IssueThing(const std::string& thing);
  // The same files under credentials/foreign/, signed by an authority that nobody trusts: for refused connections.
  Status IssueForeign(const std::string& thing);
  // Puts the thing's newest certificate on the revocation list crl.pem; the broker reads it when it starts.
  Status Revoke(const std::string& thing);

  std::filesystem::path root_ca() const { return folder_ / "root_ca.pem"; }
  std::filesystem::path server_certificate() const { return folder_ / "server.pem.crt"; }
  std::filesystem::path server_key() const { return folder_ / "server.pem.key"; }
  std::filesystem::path revocation_list() const { return folder_ / "crl.pem"; }
  std::filesystem::path credentials() const { return folder_ / "credentials"; }

 private:
  struct Authority;
  explicit Pki(std::filesystem::path folder);
  Status WriteRevocationList();

  std::filesystem::path folder_;
  std::unique_ptr<Authority> authority_;
};

}  // namespace penumbra::iotcore
