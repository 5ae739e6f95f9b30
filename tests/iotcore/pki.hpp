// The stand-in's certificate authority: a root, a server certificate, client certificates with a P-256 key for things
// and claims, made on the fly into a folder, and certificates for signing requests. They are valid for a day, because
// nothing here is for use outside of tests; those of --thing for longer, so that nobody is warned of their end. Whether
// one is active is not known here (certificates.hpp). Blocking file I/O, one thread. Source: aws-iot-core.md section 1
// (file modes, certificate kinds).
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "iotcore/certificates.hpp"

struct x509_st;

namespace penumbra::iotcore {

// AWS's id of a certificate: SHA-256 of its DER form, in hexadecimal.
std::string CertificateId(const x509_st* certificate);

class Pki : public CertificateOffice {
 public:
  // Makes `folder` with root_ca.pem, server.pem.crt, server.pem.key (its names: localhost, 127.0.0.1, ::1 and
  // `server_names`). Errors: kFatal (disk, OpenSSL).
  static Result<std::unique_ptr<Pki>> Create(std::filesystem::path folder, std::vector<std::string> server_names);
  ~Pki() override;

  // <folder>/credentials/<thing>.pem.crt and .pem.key (0600), common name = thing. Replaces what is there. The answer
  // is without the key.
  Result<IssuedCertificate> IssueThing(const std::string& thing);
  // The same below credentials/claims/.
  Result<IssuedCertificate> IssueClaim(const std::string& name);
  // The same files under credentials/foreign/, signed by an authority that nobody trusts: for refused connections.
  Status IssueForeign(const std::string& thing);

  // RSA from 2048 bits, or P-256 or P-384; the subject is AWS's, whatever the request says.
  Result<IssuedCertificate> SignRequest(const std::string& csr_pem) override;
  Result<IssuedCertificate> MakeKeysAndCertificate() override;

  std::filesystem::path root_ca() const { return folder_ / "root_ca.pem"; }
  std::filesystem::path server_certificate() const { return folder_ / "server.pem.crt"; }
  std::filesystem::path server_key() const { return folder_ / "server.pem.key"; }
  std::filesystem::path credentials() const { return folder_ / "credentials"; }

 private:
  struct Authority;
  explicit Pki(std::filesystem::path folder);

  std::filesystem::path folder_;
  std::unique_ptr<Authority> authority_;
};

}  // namespace penumbra::iotcore
