// The certificates that the stand-in's cloud knows, by id, with their status and what they are attached to, and the
// things of its registry. Who asks whether a certificate may be used, or what it may do, asks here.
// Deliberately no cryptography (pki.hpp) and no policies (policy.hpp). One thread; pure.
// Source: aws-iot-core.md sections 1, 4 and 9.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"

namespace penumbra::iotcore {

struct IssuedCertificate {
  std::string id, pem, key;  // key: only where the cloud made it
};

// Where certificates come from. Errors: kGiveUp (no signing request, a signature or key that AWS does not take).
class CertificateOffice {
 public:
  virtual ~CertificateOffice() = default;
  virtual Result<IssuedCertificate> SignRequest(const std::string& csr_pem) = 0;
  virtual Result<IssuedCertificate> MakeKeysAndCertificate() = 0;
};

enum class CertificateStatus { kActive, kInactive, kPendingActivation, kRevoked };
std::string_view ToString(CertificateStatus status);  // as AWS writes them: "PENDING_ACTIVATION"

enum class CertificateRole { kDevice, kClaim };  // which policy it has

struct CertificateRecord {
  std::string id;
  std::string pem;
  CertificateStatus status = CertificateStatus::kActive;
  CertificateRole role = CertificateRole::kDevice;
  std::string thing;  // attached to this one; empty: to none
  std::int64_t created_ms = 0;
};

class CertificateRegistry {
 public:
  static constexpr std::size_t kMaxCertificates = 100'000;

  // Called when a certificate that was active is so no longer, or is gone.
  std::function<void(const std::string& id)> on_disabled;

  // Error kGiveUp: too many. The same certificate again replaces its record.
  Status Add(CertificateRecord record);
  const CertificateRecord* Find(const std::string& id) const;
  // The newest of the certificates attached to a thing; nullptr: none.
  const CertificateRecord* NewestOf(const std::string& thing) const;
  // False: there is no such certificate.
  bool SetStatus(const std::string& id, CertificateStatus status);
  bool Attach(const std::string& id, const std::string& thing);
  bool Remove(const std::string& id);

  // {"certificateId","status","thing","role","created_ms"} each; of one thing, or of all when it is empty.
  Json List(const std::string& thing) const;

  // Attributes by thing name. Attaching makes a thing.
  std::map<std::string, Json>& things() { return things_; }

 private:
  std::map<std::string, CertificateRecord> certificates_;
  std::map<std::string, Json> things_;
};

}  // namespace penumbra::iotcore
