// Fleet provisioning over MQTT: certificates from a signing request (or with a key of the cloud's), and RegisterThing,
// which makes them active and attaches them to the thing that a provisioning template names.
//
// Deliberately not here: CBOR, the pre-provisioning hook beyond a list of refused serial numbers, policies of the
// template (every registered certificate gets the stand-in's one device policy). Where AWS says nothing: an ownership
// token is used up by a RegisterThing that succeeds; error codes other than InvalidCertificateOwnershipToken are ours.
// Answers go to the topic, so clients that provision at the same time hear each other's.
// One thread; pure but for the certificate office behind it. Source: aws-iot-core.md, section 4.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "iotcore/answer_faults.hpp"
#include "iotcore/certificates.hpp"
#include "iotcore/service.hpp"

namespace penumbra::iotcore {

// A provisioning template: what RegisterThing makes of its parameters.
class ProvisioningTemplate {
 public:
  static constexpr std::size_t kMaxBytes = 10 * 1024, kMaxDepth = 16;

  struct Outcome {
    std::string thing;
    Json attributes = Json::object();
    bool must_be_new = false;  // OverrideSettings say FAIL
    // What becomes of the attributes that the thing has: "MERGE" (also when nothing is said; AWS names no default),
    // "REPLACE", "DO_NOTHING".
    std::string attributes_override = "MERGE";
    bool activate = true;  // the certificate's Status is ACTIVE
    Json device_configuration = Json::object();
  };
  // Error kGiveUp: what AWS would refuse, and intrinsics that are not understood.
  static Result<ProvisioningTemplate> Parse(const std::string& json);
  // Error kGiveUp, with the name: a parameter that is missing, or a thing name that is none.
  Result<Outcome> Apply(const Json& parameters, const std::string& certificate_id) const;

 private:
  Json template_;
};

class ProvisioningService : public Service {
 public:
  static constexpr std::int64_t kTokenLifeMs = 3600'000;
  static constexpr int kCsrPerSecond = 20, kRegisterPerSecond = 10;
  static constexpr std::size_t kMaxTokens = 10'000;

  // `registry` and `office` outlive it. Begins with the template "penumbra": parameters ThingName and, optionally,
  // SerialNumber and ParentThing, which become attributes.
  ProvisioningService(CertificateRegistry& registry, CertificateOffice& office);

  std::string_view Name() const override { return "provisioning"; }
  std::vector<std::string> Filters() const override;
  std::vector<Message> OnMessage(std::string_view topic, std::string_view payload, std::int64_t now_ms) override;
  std::optional<std::int64_t> NextDue() const override;
  std::vector<Message> OnTick(std::int64_t now_ms) override;

  // template NAME JSON        adds or replaces one
  // certificates [THING]      id, status, thing, role of each
  // activate|deactivate|revoke|delete|detach ID|THING    a thing's newest; its sessions end when it is no longer
  // active;
  //                           detached it belongs to no thing
  // things                    names and attributes
  // refuse SERIAL | allow SERIAL      the hook's answer for this SerialNumber
  // expire                    every ownership token, as if an hour had passed
  // fault ...                 as in answer_faults.hpp; CODE is a status code (429, 500)
  Result<Reply> OnCommand(const std::vector<std::string>& words, std::int64_t now_ms) override;
  Json Summary() const override;

 private:
  struct Error {
    int status = 400;
    std::string code, message;
  };
  struct Token {
    std::string certificate;
    std::int64_t expires_ms = 0;
  };
  using Answer = tl::expected<Json, Error>;

  Answer Create(bool from_csr, const Json& body, std::int64_t now_ms);
  Answer Register(const std::string& name, const Json& body, std::int64_t now_ms);
  bool TooFast(std::deque<std::int64_t>& last_second, int per_second, std::int64_t now_ms);
  void Expire(std::int64_t now_ms);
  Result<Reply> ChangeStatus(const std::vector<std::string>& words);

  CertificateRegistry& registry_;
  CertificateOffice& office_;
  std::map<std::string, ProvisioningTemplate> templates_;
  std::map<std::string, Token> tokens_;
  std::map<std::string, bool> refused_serials_;
  std::deque<std::int64_t> creates_, registers_;
  std::uint64_t next_token_ = 1;
  AnswerFaults faults_;
  std::uint64_t created_ = 0, registered_ = 0, expired_ = 0;
  std::map<std::string, std::uint64_t> rejected_;
};

}  // namespace penumbra::iotcore
