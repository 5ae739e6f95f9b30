// A cloud for enrolments on virtual time: the stand-in's own provisioning service and certificate office behind a fake
// transport, which lets in what AWS would let in. Everything but the MQTT packets is real, files and keys too.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "credentials/inspect.hpp"
#include "identity/enrolment.hpp"
#include "iotcore/pki.hpp"
#include "iotcore/provisioning_service.hpp"
#include "support/fake_transport.hpp"
#include "support/virtual_loop.hpp"

namespace penumbra::identity::test {

using penumbra::test::FakeTransport;
using penumbra::test::VirtualLoop;

class TemporaryFolder {
 public:
  TemporaryFolder() {
    char name[] = "/tmp/penumbra-identity-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// One authority for all tests of the program: making one takes a while.
inline iotcore::Pki& Authority() {
  static const TemporaryFolder folder;
  static const auto pki = *iotcore::Pki::Create(folder.path(), {});
  return *pki;
}

struct Connected {
  std::string client_id, certificate;
  bool accepted = false;
};

// What outlives the device's process.
class Cloud {
 public:
  std::int64_t now_ms = 1'700'000'000'000;
  iotcore::CertificateRegistry registry;
  iotcore::ProvisioningService service{registry, Authority()};
  std::vector<Connected> connects;
  // As AWS sees a certificate, to be let in or not.
  std::optional<mqtt::Failure> Judge(const mqtt::ConnectOptions& options) {
    using Kind = mqtt::Failure::Kind;
    const auto facts = InspectCredentials(options.certificate, options.private_key, std::nullopt);
    if (const Status usable = facts.Usable(); !usable) {
      return mqtt::Failure{Kind::kCredentials, 0, usable.error().message};
    }
    const auto* record = registry.Find(facts.certificate_id);
    connects.push_back({options.client_id, facts.certificate_id, false});
    if (record == nullptr || record->status != iotcore::CertificateStatus::kActive) {
      return mqtt::Failure{Kind::kTls, 0, "the server rejected our certificate"};
    }
    if (record->role == iotcore::CertificateRole::kDevice && record->thing != options.client_id) {
      return mqtt::Failure{Kind::kRefused, 0x87, "CONNECT refused: 0x87 not authorized"};
    }
    connects.back().accepted = true;
    return std::nullopt;
  }
  // A certificate that is active, with its key, at these places.
  void Issue(const std::string& name, iotcore::CertificateRole role, const std::filesystem::path& certificate,
             const std::filesystem::path& key) {
    const auto issued =
        role == iotcore::CertificateRole::kClaim ? Authority().IssueClaim(name) : Authority().IssueThing(name);
    ASSERT_TRUE(issued);
    const auto from =
        role == iotcore::CertificateRole::kClaim ? Authority().credentials() / "claims" : Authority().credentials();
    std::filesystem::create_directories(certificate.parent_path());
    const auto replace = std::filesystem::copy_options::overwrite_existing;
    std::filesystem::copy_file(from / (name + ".pem.crt"), certificate, replace);
    std::filesystem::copy_file(from / (name + ".pem.key"), key, replace);
    ASSERT_TRUE(registry.Add({.id = issued->id, .pem = issued->pem, .role = role}));
    if (role == iotcore::CertificateRole::kDevice) registry.Attach(issued->id, name);
  }
  // Certificates of a thing that are active.
  std::set<std::string> Active(const std::string& thing) const {
    std::set<std::string> ids;
    for (const Json& row : registry.List(thing)) {
      if (row["status"] == "ACTIVE") ids.insert(row["certificateId"].get<std::string>());
    }
    return ids;
  }
};

// The device's side: loop, transport and files. Destroyed and made anew it is the same device after a crash.
class Device {
 public:
  Device(Cloud& cloud, std::filesystem::path folder) : cloud_(cloud), folder_(std::move(folder)) {
    loop.virtual_clock.unix_epoch_ms = cloud.now_ms;
    transport.on_connect = [this](const mqtt::ConnectOptions& options) { return cloud_.Judge(options); };
    transport.puback = [this](const std::string& client_id, const std::string& topic) {
      // The newest message on this topic: only one is ever under way.
      for (auto it = transport.published.rbegin(); it != transport.published.rend(); ++it) {
        if (it->topic != topic) continue;
        for (auto& answer : cloud_.service.OnMessage(topic, it->payload, cloud_.now_ms)) {
          loop.Post([this, client_id, answer] {
            if (!lose_answers) transport.Deliver(client_id, answer.topic, answer.payload);
          });
        }
        break;
      }
      return 0;
    };
    plan.thing = "sensor-001";
    plan.certificate = folder_ / "credentials" / "sensor-001.pem.crt";
    plan.private_key = folder_ / "credentials" / "sensor-001.pem.key";
    plan.template_name = "penumbra";
    plan.parameters = {{"ThingName", "sensor-001"}};
  }

  // With the claim, or with the thing's own certificate.
  void Enrol(bool rotation, bool afresh = false) {
    Office::Options options;
    options.upstream.endpoint = "cloud";
    options.template_name = plan.template_name;
    options.client_id = rotation ? plan.thing : "claimant";
    options.certificate = rotation ? plan.certificate : Claim(".pem.crt");
    options.private_key = rotation ? plan.private_key : Claim(".pem.key");
    options.whose = rotation ? "the thing's own certificate" : "the claim certificate";
    office = std::make_unique<Office>(loop, transport, options);
    Enrolment::Ports ports{loop, transport, random};
    ports.moment = [this](std::string_view now) {
      moments.emplace_back(now);
      if (moment) moment(now);
    };
    ports.progress = [this](const std::string&, const std::string& text) { told.push_back(text); };
    enrolment = std::make_unique<Enrolment>(std::move(ports), *office, plan, rotation,
                                            [this](Result<Enrolled> done) { result = std::move(done); });
    enrolment->Start(afresh);
  }
  bool Done(Duration limit = std::chrono::minutes(5)) {
    for (Duration waited{}; !result && waited < limit; waited += std::chrono::seconds(1)) {
      loop.Advance(std::chrono::seconds(1));
    }
    return result.has_value();
  }
  std::filesystem::path Claim(const char* ending) const { return folder_ / (std::string("claim") + ending); }
  CredentialFacts Facts() const { return InspectCredentials(plan.certificate, plan.private_key, std::nullopt); }
  bool Leftovers() const {
    const PendingFiles files(plan);
    return std::filesystem::exists(files.journal) || std::filesystem::exists(files.certificate) ||
           std::filesystem::exists(files.key);
  }

  VirtualLoop loop;
  FakeTransport transport{loop};
  Random random{7};
  Plan plan;
  bool lose_answers = false;
  std::function<void(std::string_view)> moment;
  std::vector<std::string> moments, told;
  std::optional<Result<Enrolled>> result;
  std::unique_ptr<Office> office;
  std::unique_ptr<Enrolment> enrolment;

 private:
  Cloud& cloud_;
  const std::filesystem::path folder_;
};

class FleetTest : public ::testing::Test {
 protected:
  FleetTest() {
    cloud.Issue("claim", iotcore::CertificateRole::kClaim, folder.path() / "claim.pem.crt",
                folder.path() / "claim.pem.key");
    device = std::make_unique<Device>(cloud, folder.path());
  }
  void GiveOwn() {
    cloud.Issue("sensor-001", iotcore::CertificateRole::kDevice, device->plan.certificate, device->plan.private_key);
    old = device->Facts().certificate_id;
  }

  TemporaryFolder folder;
  Cloud cloud;
  std::unique_ptr<Device> device;
  std::string old;
};

}  // namespace penumbra::identity::test
