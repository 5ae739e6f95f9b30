#include "identity/enrolment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "credentials/inspect.hpp"
#include "uplink/presence.hpp"

namespace penumbra::identity {
namespace {

// Enough of a certificate's id for people.
std::string Short(const std::string& certificate_id) {
  return certificate_id.substr(0, 12);
}

}  // namespace

void RunHere(const std::function<void()>& work, const std::function<void()>& then) {
  work();
  then();
}

Enrolment::Enrolment(Ports ports, Office& office, Plan plan, bool rotation, Done done)
    : ports_(std::move(ports)),
      office_(office),
      plan_(std::move(plan)),
      rotation_(rotation),
      done_(std::move(done)),
      files_(plan_),
      backoff_(kFirstWait, kLongestWait, kFirstWait / 2),
      version_(office.options().upstream.protocol == MqttProtocol::k311 ? mqtt::Version::k311 : mqtt::Version::k5) {
  result_.thing = plan_.thing;
}

Enrolment::~Enrolment() {
  *alive_ = false;
}

void Enrolment::Do(std::function<Status()> work, std::function<void()> then) {
  auto status = std::make_shared<Status>();
  ports_.worker([status, work = std::move(work)] { *status = work(); },
                [this, alive = alive_, status, then = std::move(then)] {
                  if (!*alive) return;
                  *status ? then() : Failed(status->error());
                });
}

Status Enrolment::Save(Step step) {
  journal_.step = step;
  if (auto saved = SaveJournal(files_, journal_); !saved) return saved;
  ports_.moment(fmt::format("journal.{}", ToString(step)));
  return {};
}

std::filesystem::path Enrolment::KeyPath() const {
  return journal_.new_key ? files_.key : plan_.private_key;
}

// --- the key ---

void Enrolment::Start(bool afresh) {
  Do(
      [this, afresh]() -> Status {
        auto journal = LoadJournal(files_, plan_.thing);
        if (afresh && journal && *journal) TellAbandoned(**journal);
        if (afresh) journal = std::nullopt;
        if (journal && *journal && !PendingIsWhole(**journal)) {
          TellAbandoned(**journal);
          journal = Fail(Action::kGiveUp, fmt::format("files that {} speaks of are gone", files_.journal.string()));
        }
        if (journal && *journal) {
          journal_ = std::move(**journal);
          result_.resumed = true;
          return {};
        }
        if (!journal) Tell("starting over: " + journal.error().message);
        return PrepareKey();
      },
      [this] {
        if (result_.resumed) Tell(fmt::format("resuming at the step \"{}\"", ToString(journal_.step)));
        Enter(journal_.step);
      });
}

// A power cut within DiscardPending, or somebody's hand, can take the files from under a journal. (In kInstall they are
// on their way to their places.)
bool Enrolment::PendingIsWhole(const Journal& journal) const {
  if (journal.step == Step::kInstall) return true;
  std::error_code ec;
  if (journal.new_key && !files_.key.empty() && !std::filesystem::exists(files_.key, ec)) return false;
  return journal.step == Step::kCertificate || std::filesystem::exists(files_.certificate, ec);
}

// A key that stands there without a certificate was made for this (`cert csr`); one with a certificate is never
// touched.
Status Enrolment::PrepareKey() {
  if (auto discarded = DiscardPending(files_); !discarded) return discarded;
  ports_.moment("start.discarded");
  const CredentialFacts facts = InspectCredentials(plan_.certificate, plan_.private_key, std::nullopt);
  const auto trouble_with = [&](const std::filesystem::path& path) {
    return std::any_of(facts.findings.begin(), facts.findings.end(),
                       [&](const CredentialFinding& finding) { return finding.blocks && finding.path == path; });
  };
  journal_ = {};
  journal_.thing = plan_.thing;
  journal_.rotation = rotation_;
  journal_.old_certificate_id = facts.certificate_id;
  const bool in_token = files_.key.empty();
  const bool waiting_key = facts.certificate_id.empty() && !trouble_with(plan_.private_key);
  journal_.new_key = !in_token && !waiting_key;
  if (journal_.new_key) {
    if (auto made = MakePrivateKey(files_.key, plan_.key); !made) return made;
    ports_.moment("key.made");
  }
  return Save(Step::kCertificate);
}

void Enrolment::Enter(Step step) {
  switch (step) {
    case Step::kCertificate:
      return AskCertificate();
    case Step::kRegister:
      return Register();
    case Step::kTrial:
      return Try();
    case Step::kInstall:
      return Install();
  }
}

// --- the certificate ---

void Enrolment::AskCertificate() {
  auto request = std::make_shared<std::string>();
  Do(
      [this, request]() -> Status {
        auto made = MakeCertificateRequest(KeyPath(), plan_.thing);
        if (!made) return Fail(made.error());
        *request = std::move(*made);
        return {};
      },
      [this, request] {
        Tell("asking for a certificate");
        office_.CreateCertificate(*request, [this](Result<IssuedCertificate> issued) {
          if (!issued) return Failed(issued.error());
          ports_.moment("certificate.answered");
          TakeCertificate(std::move(*issued));
        });
      });
}

void Enrolment::TakeCertificate(IssuedCertificate issued) {
  Do(
      [this, issued = std::move(issued)]() -> Status {
        if (auto written = InstallFile(files_.certificate, issued.pem); !written) return written;
        ports_.moment("certificate.written");
        const CredentialFacts facts = InspectCredentials(files_.certificate, KeyPath(), std::nullopt);
        if (const Status usable = facts.Usable(); !usable) {
          return Fail(Action::kBackOff, "the certificate that came is not for our key: " + usable.error().message);
        }
        journal_.token = issued.token;
        journal_.certificate_id = facts.certificate_id;
        journal_.asked = false;
        return Save(Step::kRegister);
      },
      [this] {
        failures_ = 0;
        Tell(fmt::format("the certificate {} is there", Short(journal_.certificate_id)));
        Register();
      });
}

// --- the registration ---

void Enrolment::Register() {
  probing_ = journal_.asked;
  if (probing_) return Try();
  AskRegistration();
}

void Enrolment::AskRegistration() {
  journal_.asked = true;
  Do([this] { return Save(Step::kRegister); },
     [this] {
       Tell(fmt::format("registering with the template {}", office_.options().template_name));
       office_.RegisterThing(journal_.token, plan_.parameters, [this](const Result<RegisteredThing>& registered) {
         ports_.moment("registration.answered");
         TakeRegistration(registered);
       });
     });
}

void Enrolment::TakeRegistration(const Result<RegisteredThing>& registered) {
  if (!registered) {
    if (registered.error().action == Action::kRetry) return StartAgain(registered.error());
    return Failed(registered.error());
  }
  if (registered->thing != plan_.thing) {
    journal_.named = registered->thing;
    return Do([this] { return Save(Step::kRegister); }, [this] { Failed(Misnamed()); });
  }
  result_.configuration = registered->configuration;
  Do([this] { return Save(Step::kTrial); },
     [this] {
       failures_ = 0;
       Tell("registered");
       Try();
     });
}

// The certificate is active by now, and belongs to the other name. The next attempt tries it, and asks for none.
Error Enrolment::Misnamed() const {
  return {
      Action::kFixConfig,
      fmt::format("the template {} calls this thing \"{}\" and the configuration \"{}\": the certificate {} is "
                  "active and attached to \"{}\", and its key is kept. Either attach it to \"{}\" instead (`aws "
                  "iot attach-thing-principal`) and run this again; or put the template or the configuration right, "
                  "set the certificate inactive, and begin anew (`penumbra provision {} --replace`, which forgets "
                  "{})",
                  office_.options().template_name, journal_.named, plan_.thing, journal_.certificate_id, journal_.named,
                  plan_.thing, plan_.thing, files_.journal.string())};
}

// What is given up here may be active in the cloud, and nothing on disk will name it any more.
void Enrolment::TellAbandoned(const Journal& journal) {
  if (journal.step == Step::kCertificate || (journal.step == Step::kRegister && !journal.asked)) return;
  Tell(fmt::format("the certificate {} is given up{}; where it is active, set it inactive", journal.certificate_id,
                   journal.named.empty() ? "" : fmt::format(", which is attached to \"{}\"", journal.named)));
}

void Enrolment::StartAgain(const Error& why) {
  if (++restarts_ > kMaxRestarts) return Failed({Action::kGiveUp, why.message});
  Tell("a new certificate is needed: " + why.message);
  TellAbandoned(journal_);
  journal_.token.clear();
  journal_.asked = false;
  Do([this] { return Save(Step::kCertificate); }, [this] { AskCertificate(); });
}

// --- the trial ---

void Enrolment::Try() {
  const UpstreamSettings& upstream = office_.options().upstream;
  mqtt::ConnectOptions connect;
  connect.client_id = plan_.thing;
  connect.host = upstream.endpoint;
  connect.port = upstream.port;
  connect.root_ca = upstream.root_ca;
  connect.certificate = files_.certificate;
  connect.private_key = KeyPath();
  connect.version = version_;
  connect.connect_timeout = upstream.connect_timeout;
  connect.keep_alive = upstream.keep_alive;
  // The will as in the thing's real session, because AWS asks the policy for it too.
  connect.will =
      mqtt::Will{PresenceTopic(plan_.thing), PresencePayload(plan_.thing, false, ports_.loop.clock().UnixMs()),
                 upstream.status_retained};
  tried_well_ = false;
  Duration wait = Duration::zero();
  if (SharesClientId()) {
    office_.Close();
    wait = kSameClientGap;
  }
  timer_ = ports_.loop.After(
      wait, [this, connect = std::move(connect)] { connection_ = ports_.transport.Connect(connect, *this); });
}

void Enrolment::OnConnected(const mqtt::Session&) {
  tried_well_ = true;
  connection_->Disconnect();
  timer_ = ports_.loop.After(kGoodbye, [this] {
    connection_.reset();
    TriedWell();
  });
}

void Enrolment::OnDown(const mqtt::Failure& failure) {
  timer_.reset();
  connection_.reset();
  if (tried_well_) return TriedWell();
  const bool may_fall_back =
      office_.options().upstream.protocol == MqttProtocol::kAuto && version_ == mqtt::Version::k5;
  if (failure.kind == mqtt::Failure::Kind::kProtocolVersion && may_fall_back) {
    version_ = mqtt::Version::k311;
    return Try();
  }
  TriedBadly(failure);
}

void Enrolment::TriedWell() {
  ports_.moment("trial.connected");
  probing_ = false;
  Tell("a connection with the new certificate works");
  Do([this] { return Save(Step::kInstall); }, [this] { Install(); });
}

void Enrolment::TriedBadly(const mqtt::Failure& failure) {
  Error error = AsError(failure, "the new certificate");
  if (probing_ && error.action == Action::kFixConfig) {
    probing_ = false;
    if (!journal_.named.empty()) return Failed(Misnamed());
    return AskRegistration();  // it had not happened
  }
  // A policy that has just been attached may take a while to be known everywhere.
  if (failure.kind == mqtt::Failure::Kind::kRefused || failure.kind == mqtt::Failure::Kind::kTls) {
    error.action = Action::kBackOff;
  }
  Failed(error);
}

// --- the new one in the place of the old ---

void Enrolment::Install() {
  Do(
      [this]() -> Status {
        if (auto finished = FinishInstall(plan_, ports_.moment); !finished) return finished;
        const CredentialFacts facts = InspectCredentials(plan_.certificate, plan_.private_key, std::nullopt);
        result_.certificate_id = facts.certificate_id;
        return facts.Usable();
      },
      [this] {
        result_.old_certificate_id = journal_.old_certificate_id;
        Tell("in place");
        // In a rotation the thing's own session comes next, with the same client id.
        timer_ = ports_.loop.After(SharesClientId() ? kSameClientGap : Duration::zero(), [this] {
          const Done done = std::exchange(done_, {});
          if (done) done(result_);
        });
      });
}

void Enrolment::Failed(const Error& error) {
  if (!done_) return;
  const bool may_pass = error.action == Action::kBackOff || error.action == Action::kRetry;
  if (may_pass && ++failures_ < kMaxAttempts) {
    const Duration wait = backoff_.Next(ports_.random);
    Tell(fmt::format("{}; trying again", error.message));
    timer_ = ports_.loop.After(wait, [this] { Enter(journal_.step); });
    return;
  }
  const Done done = std::exchange(done_, {});
  done(Fail(error));
}

}  // namespace penumbra::identity
