#include "iotcore/certificates.hpp"

namespace penumbra::iotcore {

std::string_view ToString(CertificateStatus status) {
  switch (status) {
    case CertificateStatus::kActive:
      return "ACTIVE";
    case CertificateStatus::kInactive:
      return "INACTIVE";
    case CertificateStatus::kPendingActivation:
      return "PENDING_ACTIVATION";
    case CertificateStatus::kRevoked:
      return "REVOKED";
  }
  return "";
}

Status CertificateRegistry::Add(CertificateRecord record) {
  if (certificates_.size() >= kMaxCertificates) return Fail(Action::kGiveUp, "too many certificates");
  if (!record.thing.empty()) things_.try_emplace(record.thing, Json::object());
  std::string id = record.id;
  certificates_.insert_or_assign(std::move(id), std::move(record));
  return {};
}

const CertificateRecord* CertificateRegistry::Find(const std::string& id) const {
  const auto it = certificates_.find(id);
  return it == certificates_.end() ? nullptr : &it->second;
}

const CertificateRecord* CertificateRegistry::NewestOf(const std::string& thing) const {
  const CertificateRecord* newest = nullptr;
  for (const auto& [id, record] : certificates_) {
    if (record.thing == thing && (newest == nullptr || record.created_ms >= newest->created_ms)) newest = &record;
  }
  return newest;
}

bool CertificateRegistry::SetStatus(const std::string& id, CertificateStatus status) {
  const auto it = certificates_.find(id);
  if (it == certificates_.end()) return false;
  const bool disabled = it->second.status == CertificateStatus::kActive && status != CertificateStatus::kActive;
  it->second.status = status;
  if (disabled && on_disabled) on_disabled(id);
  return true;
}

bool CertificateRegistry::Attach(const std::string& id, const std::string& thing) {
  const auto it = certificates_.find(id);
  if (it == certificates_.end()) return false;
  it->second.thing = thing;
  if (!thing.empty()) things_.try_emplace(thing, Json::object());
  return true;
}

bool CertificateRegistry::Remove(const std::string& id) {
  if (certificates_.erase(id) == 0) return false;
  if (on_disabled) on_disabled(id);
  return true;
}

Json CertificateRegistry::List(const std::string& thing) const {
  Json list = Json::array();
  for (const auto& [id, record] : certificates_) {
    if (!thing.empty() && record.thing != thing) continue;
    list.push_back({{"certificateId", id},
                    {"status", ToString(record.status)},
                    {"thing", record.thing},
                    {"role", record.role == CertificateRole::kClaim ? "claim" : "device"},
                    {"created_ms", record.created_ms}});
  }
  return list;
}

}  // namespace penumbra::iotcore
