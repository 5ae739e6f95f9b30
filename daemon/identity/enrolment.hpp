// One thing's way to a certificate: key, request, certificate, registration, a trial connect, and only then the place
// of the old one. Journalled (journal.hpp): destroyed or killed at any moment, the next Enrolment of the same plan
// resumes, and at no moment are two certificates in use: the old one is until kInstall, the new one from then on.
// Deliberately does not decide who may be enrolled, or whether good credentials may be replaced: the caller does.
// Loop thread; what may block (keys, fsync) goes through Ports::worker. Source: aws-iot-core.md section 4.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "event/backoff.hpp"
#include "identity/journal.hpp"
#include "identity/office.hpp"
#include "identity/plan.hpp"

namespace penumbra::identity {

// Runs `work`, which may block, and then `then` on the loop. RunHere does both at once.
using Worker = std::function<void(std::function<void()> work, std::function<void()> then)>;
void RunHere(const std::function<void()>& work, const std::function<void()>& then);

struct Enrolled {
  std::string thing;
  std::string certificate_id;                        // SHA-256 of the certificate, AWS's id of it
  std::string old_certificate_id;                    // not used any more; empty: there was none
  bool resumed = false;                              // an earlier attempt had begun it
  std::map<std::string, std::string> configuration;  // the template's deviceConfiguration
};

// Not destroyed while its worker works on another thread.
class Enrolment : private mqtt::Listener {
 public:
  static constexpr int kMaxAttempts = 8;  // failures in a row that may pass
  static constexpr int kMaxRestarts = 2;  // with another certificate, because a token was used up
  static constexpr Duration kFirstWait = std::chrono::seconds(1), kLongestWait = std::chrono::seconds(16);
  static constexpr Duration kGoodbye = std::chrono::seconds(5);
  // AWS: one CONNECT a second for a client id, which Office and trial share in a rotation.
  static constexpr Duration kSameClientGap = std::chrono::milliseconds(1100);

  struct Ports {
    EventLoop& loop;
    mqtt::Transport& transport;
    Random& random;
    Worker worker = RunHere;
    // For people: "sensor-001", "the certificate 0123abcd is there".
    std::function<void(const std::string& thing, const std::string& text)> progress = [](const auto&, const auto&) {};
    // Between any two operations that a crash may separate.
    std::function<void(std::string_view)> moment = [](std::string_view) {};
  };
  using Done = std::function<void(Result<Enrolled>)>;

  // `office` asks with the claim, or with the thing's own certificate (`rotation`). Everything outlives it.
  Enrolment(Ports ports, Office& office, Plan plan, bool rotation, Done done);
  ~Enrolment() override;

  // `afresh`: forgets what an earlier attempt had begun. `done` once; errors: kFixConfig, kGiveUp (a person must act),
  // kBackOff (tried kMaxAttempts times; may be resumed later). Not done: nothing has changed for the credentials in
  // use.
  void Start(bool afresh);

 private:
  Status PrepareKey();
  bool PendingIsWhole(const Journal& journal) const;
  void Enter(Step step);
  void AskCertificate();
  void TakeCertificate(IssuedCertificate issued);
  void Register();
  void AskRegistration();
  void TakeRegistration(const Result<RegisteredThing>& registered);
  Error Misnamed() const;
  void TellAbandoned(const Journal& journal);
  void StartAgain(const Error& why);
  void Try();
  void TriedWell();
  void TriedBadly(const mqtt::Failure& failure);
  void Install();
  void OnConnected(const mqtt::Session& session) override;
  void OnDown(const mqtt::Failure& failure) override;
  void OnPublished(std::uint64_t, mqtt::Outcome) override {}
  void OnSubscribed(std::uint64_t, mqtt::Outcome) override {}
  void OnMessage(mqtt::Message) override {}

  // Blocking `work` on the worker, then `then` with what it answered, unless we are gone.
  void Do(std::function<Status()> work, std::function<void()> then);
  Status Save(Step step);
  std::filesystem::path KeyPath() const;
  void Failed(const Error& error);
  void Tell(const std::string& text) { ports_.progress(plan_.thing, text); }
  bool SharesClientId() const { return office_.options().client_id == plan_.thing; }

  const Ports ports_;
  Office& office_;
  const Plan plan_;
  const bool rotation_;
  Done done_;
  const PendingFiles files_;
  Journal journal_;
  Backoff backoff_;
  bool probing_ = false;  // the trial asks whether the registration had happened
  bool tried_well_ = false;
  int failures_ = 0;
  int restarts_ = 0;
  mqtt::Version version_;
  Enrolled result_;
  std::unique_ptr<mqtt::Connection> connection_;
  SubscriptionPtr timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace penumbra::identity
