#include "iotcore/iot_core.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <iterator>
#include <utility>

#include "base/log.hpp"
#include "base/text.hpp"
#include "iotcore/unix_time.hpp"
#include "iotcore/words.hpp"

namespace penumbra::iotcore {
namespace {

constexpr std::chrono::milliseconds kMaxDelay(60'000), kMaxDown(600'000);

Result<std::uint64_t> Number(const std::string& word, std::uint64_t max) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size() || value > max) {
    return Fail(Action::kGiveUp, fmt::format("'{}' is no number from 0 to {}", word, max));
  }
  return value;
}

bool IsNetworkVerb(std::string_view verb) {
  constexpr std::array<std::string_view, 10> kVerbs = {"network", "cut",        "uncut", "heal", "reset",
                                                       "stall",   "black-hole", "delay", "rate", "reset-after"};
  return std::find(kVerbs.begin(), kVerbs.end(), verb) != kVerbs.end();
}

tl::unexpected<Error> Unknown(const std::vector<std::string>& words) {
  return Fail(Action::kGiveUp, fmt::format("unknown command '{}'; {}", fmt::join(words, " "), IotCore::Usage()));
}

}  // namespace

// A service with its connection to the broker and its timer.
struct IotCore::Hosted {
  Hosted(boost::asio::io_context& context, std::unique_ptr<Service> s) : service(std::move(s)), timer(context) {}
  std::unique_ptr<Service> service;
  std::unique_ptr<BrokerLink> link;
  boost::asio::steady_timer timer;
};

std::string IotCore::Usage() {
  return "commands: info | summary | seqs THING | arrivals THING [FROM_SEQ [LIMIT]] | rates THING | presence | "
         "messages TOPIC_PREFIX | clear | connections [times] | network [times] | cut | uncut | reset | stall | "
         "black-hole | delay MS | rate BYTES_PER_S | reset-after BYTES | heal | restart | broker restart [DOWN_MS] | "
         "broker kill "
         "[DOWN_MS] | broker stop | broker start | publish TOPIC PAYLOAD | thing NAME | claim NAME | foreign NAME | "
         "revoke NAME | puback none|drop COUNT|duplicate COUNT|reorder COUNT|delay MS | "
         "denied-subscribe close|suback | policy [FILE] | claim-policy [FILE] | "
         "shadow ... | jobs ... | commands ... | defender ... | rules ... | provisioning ... (each alone says its "
         "usage)";
}

Result<std::unique_ptr<IotCore>> IotCore::Create(boost::asio::io_context& context, Options options,
                                                 const MakeServices& make_services) {
  auto policy = Policy::Parse(options.policy);
  if (!policy) return Fail(policy.error());
  auto claim_policy = Policy::Parse(options.claim_policy);
  if (!claim_policy) return Fail(claim_policy.error().WithContext("claims"));
  for (const auto* names : {&options.things, &options.claims}) {
    for (const std::string& name : *names) {
      if (!IsThingName(name)) return Fail(Action::kFixConfig, fmt::format("'{}' is no thing name", name));
    }
  }
  std::error_code error;
  std::filesystem::create_directories(options.folder, error);
  options.folder = std::filesystem::absolute(options.folder, error);
  auto pki = Pki::Create(options.folder, options.server_names);
  if (!pki) return Fail(pki.error());
  std::unique_ptr<IotCore> core(
      new IotCore(context, std::move(options), std::move(*policy), std::move(*claim_policy), std::move(*pki)));
  for (const std::string& thing : core->options_.things) {
    if (const Status issued = core->Issue(thing, CertificateRole::kDevice); !issued) return Fail(issued.error());
  }
  for (const std::string& claim : core->options_.claims) {
    if (const Status issued = core->Issue(claim, CertificateRole::kClaim); !issued) return Fail(issued.error());
  }
  auto front = Front::Create(context,
                             {.root_ca = core->pki_->root_ca(),
                              .certificate = core->pki_->server_certificate(),
                              .key = core->pki_->server_key(),
                              .broker = core->broker_->socket()},
                             *core);
  if (!front) return Fail(front.error());
  core->front_ = std::move(*front);
  core->registry_.on_disabled = [raw = core.get()](const std::string& id) { raw->front_->CloseCertificate(id); };
  core->Host(make_services(core->registry_, *core->pki_));
  if (!core->options_.record.empty()) {
    if (const Status opened = core->recorder_.RecordTo(core->options_.record); !opened) return Fail(opened.error());
  }
  return core;
}

IotCore::IotCore(boost::asio::io_context& context, Options options, Policy policy, Policy claim_policy,
                 std::unique_ptr<Pki> pki)
    : context_(context),
      options_(std::move(options)),
      devices_{std::move(policy), {}},
      claims_{std::move(claim_policy), {}},
      pki_(std::move(pki)),
      restart_(context) {
  broker_ = std::make_unique<Broker>(context_, options_.folder, [this] { OnBrokerExit(); });
  // '#' does not match topics that begin with '$'.
  recorder_link_ = std::make_unique<BrokerLink>(
      context_, broker_->socket(), "iotcore-recorder", std::vector<std::string>{"#", "$aws/#"},
      BrokerLink::Handlers{.subscribed = [this] { OnSubscribed(); },
                           .message = [this](auto topic, auto payload) { OnEveryMessage(topic, payload); }});
}

// The recorder hears everything, and with it each service that names no filters of its own.
void IotCore::OnEveryMessage(std::string_view topic, std::string_view payload) {
  recorder_.OnMessage(topic, payload, UnixMs());
  for (auto& hosted : services_) {
    if (!hosted->link) Publish(hosted->service->OnMessage(topic, payload, UnixMs()));
  }
}

void IotCore::Host(Services services) {
  for (auto& service : services) {
    services_.push_back(std::make_unique<Hosted>(context_, std::move(service)));
    Hosted& hosted = *services_.back();
    if (hosted.service->Filters().empty()) continue;
    const auto on_message = [this, &hosted](std::string_view topic, std::string_view payload) {
      Publish(hosted.service->OnMessage(topic, payload, UnixMs()));
      Arm(hosted);
    };
    hosted.link = std::make_unique<BrokerLink>(
        context_, broker_->socket(), fmt::format("iotcore-{}", hosted.service->Name()), hosted.service->Filters(),
        BrokerLink::Handlers{.subscribed = [this] { OnSubscribed(); }, .message = on_message});
  }
}

// Active at once and, unless it is a claim, attached to the thing of its name.
Status IotCore::Issue(const std::string& name, CertificateRole role) {
  const bool claim = role == CertificateRole::kClaim;
  auto issued = claim ? pki_->IssueClaim(name) : pki_->IssueThing(name);
  if (!issued) return Fail(issued.error());
  CertificateRecord record{.id = std::move(issued->id), .pem = std::move(issued->pem), .role = role};
  if (!claim) record.thing = name;
  record.created_ms = UnixMs();
  return registry_.Add(std::move(record));
}

IotCore::~IotCore() {
  for (auto& hosted : services_) hosted->link.reset();
  recorder_link_.reset();
  proxy_.reset();
  registry_.on_disabled = nullptr;
  front_.reset();
  broker_.reset();
}

void IotCore::Start(std::function<void(Status)> ready) {
  ready_ = std::move(ready);
  if (const Status started = StartBroker(); !started) {
    const auto report = std::exchange(ready_, nullptr);
    report(started);
  }
}

Status IotCore::StartBroker() {
  if (const Status started = broker_->Start(); !started) return started;
  recorder_link_->Start();
  for (auto& hosted : services_) {
    if (hosted->link) hosted->link->Start();
  }
  return {};
}

// The proxy closes first: nobody may be acknowledged by a broker to which the recorder does not listen.
void IotCore::StopBroker() {
  restart_.cancel();
  if (proxy_) proxy_->Cut();
  recorder_link_->Expire();
  for (auto& hosted : services_) {
    if (hosted->link) hosted->link->Expire();
  }
  broker_->Stop();
}

// The gateway's door opens when the recorder and all services hear.
void IotCore::OnSubscribed() {
  const bool all = recorder_link_->subscribed() && std::all_of(services_.begin(), services_.end(), [](const auto& s) {
                     return !s->link || s->link->subscribed();
                   });
  if (!all) return;
  if (!proxy_) proxy_ = std::make_unique<FaultProxy>(context_, options_.port, front_->port());
  const Status opened = cut_on_purpose_ ? Status{} : proxy_->Uncut();
  if (const auto report = std::exchange(ready_, nullptr)) report(opened);
}

void IotCore::OnBrokerExit() {
  const std::string where = (options_.folder / "mosquitto.log").string();
  log::Error("broker.died", "mosquitto ended by itself", {{"log", where}});
  if (proxy_) proxy_->Cut();
  if (const auto report = std::exchange(ready_, nullptr)) {
    report(Fail(Action::kRetry, fmt::format("mosquitto ended at once, see {}", where)));
  }
}

bool IotCore::MayUse(const std::string& certificate) {
  const CertificateRecord* record = registry_.Find(certificate);
  return record != nullptr && record->status == CertificateStatus::kActive;
}

bool IotCore::Allows(std::string_view action, const std::string& resource, const Peer& peer) {
  const CertificateRecord* record = registry_.Find(peer.certificate);
  if (record == nullptr) return false;
  const bool attached = !record->thing.empty() && record->thing == peer.client_id;
  const Principal principal{.thing = record->thing, .client_id = peer.client_id, .attached = attached};
  PolicyInForce& in_force = record->role == CertificateRole::kDevice ? devices_ : claims_;
  const auto grant = in_force.policy.Grant(action, resource, principal);
  if (grant) ++in_force.used[fmt::format("{} {}", action, *grant)];
  return grant.has_value();
}

// "CLIENT TOPIC" for a publish, else "CLIENT ACTION RESOURCE".
void IotCore::OnDenied(std::string_view action, const std::string& resource, const Peer& peer) {
  const bool publish = action == "iot:Publish";
  const std::string what = publish ? resource.substr(resource.find('/') + 1) : fmt::format("{} {}", action, resource);
  denials_.push_back(fmt::format("{} {}", peer.client_id, what));
  if (denials_.size() > kMaxDenials) denials_.pop_front();
}

void IotCore::OnConnected(const Peer& peer) {
  const std::int64_t now_ms = UnixMs();
  Connects& connects = connects_[peer.client_id];
  connects = {connects.count + 1, peer.level, now_ms};
  connect_times_ms_.push_back(now_ms);
  if (connect_times_ms_.size() > kMaxConnectTimes) connect_times_ms_.pop_front();
  last_second_.push_back(now_ms);
  while (last_second_.front() <= now_ms - 1000) last_second_.pop_front();
  connects_per_second_max_ = std::max(connects_per_second_max_, last_second_.size());
  Tell(lifecycle_.Connected({peer.client_id, peer.certificate, peer.connection}, now_ms));
}

void IotCore::OnDisconnected(const Peer& peer, EndReason reason) {
  Tell(lifecycle_.Disconnected({peer.client_id, peer.certificate, peer.connection}, reason, UnixMs()));
}

void IotCore::OnSubscribed(const Peer& peer, const std::vector<std::string>& filters) {
  Tell(lifecycle_.Subscribed({peer.client_id, peer.certificate, peer.connection}, filters, UnixMs()));
}

void IotCore::Tell(const std::optional<Message>& event) {
  if (event && recorder_link_) recorder_link_->Publish(event->topic, event->payload);
}

void IotCore::Publish(const std::vector<Message>& messages) {
  for (const Message& message : messages) recorder_link_->Publish(message.topic, message.payload);
}

void IotCore::Arm(Hosted& hosted) {
  const auto due_ms = hosted.service->NextDue();
  if (!due_ms) return;
  hosted.timer.expires_after(std::chrono::milliseconds(std::max<std::int64_t>(*due_ms - UnixMs(), 0)));
  hosted.timer.async_wait([this, &hosted](const boost::system::error_code& error) {
    if (error) return;
    Publish(hosted.service->OnTick(UnixMs()));
    Arm(hosted);
  });
}

Json IotCore::Info() const {
  return {{"port", proxy_ ? proxy_->port() : 0},
          {"root_ca", pki_->root_ca().string()},
          {"credentials", pki_->credentials().string()},
          {"folder", options_.folder.string()}};
}

Result<Json> IotCore::Command(const Words& words) {
  if (words.empty()) return Unknown(words);
  const std::string& verb = words[0];
  if (verb == "info") return Info();
  if (verb == "broker") return BrokerCommand(words);
  if (verb == "restart") return BrokerCommand({"broker", "restart"});
  if (verb == "connections") return Connections(words.size() > 1);
  if (verb == "publish" && words.size() >= 3) {
    recorder_link_->Publish(words[1], fmt::format("{}", fmt::join(words.begin() + 2, words.end(), " ")));
    return Json(nullptr);
  }
  if (verb == "thing" || verb == "claim" || verb == "foreign" || verb == "revoke") return Things(words);
  if (verb == "puback") return Pubacks(words);
  if (verb == "policy" || verb == "claim-policy") {
    PolicyInForce& in_force = verb == "policy" ? devices_ : claims_;
    return words.size() == 2 ? PutInForce(words[1], in_force) : UseOf(in_force);
  }
  if (verb == "denied-subscribe" && words.size() == 2 && (words[1] == "close" || words[1] == "suback")) {
    front_->CloseOnDeniedSubscribe(words[1] == "close");
    return Json(nullptr);
  }
  for (auto& hosted : services_) {
    if (hosted->service->Name() != verb) continue;
    auto reply = hosted->service->OnCommand({words.begin() + 1, words.end()}, UnixMs());
    Arm(*hosted);
    if (!reply) return Fail(reply.error());
    Publish(reply->publish);
    return reply->json;
  }
  return IsNetworkVerb(verb) ? Network(words) : Records(words);
}

Result<Json> IotCore::Network(const Words& words) {
  if (!proxy_) return Fail(Action::kRetry, "not started yet");
  const std::string& verb = words[0];
  FaultProxy::Faults faults = proxy_->faults();
  if (verb == "network") return proxy_->Statistics(words.size() > 1);
  if (verb == "reset") return Json{{"closed", proxy_->Reset()}};
  if (verb == "cut") {
    cut_on_purpose_ = true;
    proxy_->Cut();
    return Json(nullptr);
  }
  if (verb == "uncut" || verb == "heal") {
    cut_on_purpose_ = false;
    if (verb == "heal") proxy_->Set({});
    if (!recorder_link_->subscribed()) return Json(nullptr);  // opens when the broker is back
    if (const Status opened = proxy_->Uncut(); !opened) return Fail(opened.error());
    return Json(nullptr);
  }
  if (verb == "stall") {
    faults.stalled = true;
  } else if (verb == "black-hole") {
    faults.black_hole = true;
  } else if (words.size() == 2 && (verb == "delay" || verb == "rate" || verb == "reset-after")) {
    const auto number = Number(words[1], verb == "delay" ? kMaxDelay.count() : std::uint64_t{1} << 40);
    if (!number) return Fail(number.error());
    if (verb == "delay") faults.delay = std::chrono::milliseconds(*number);
    if (verb == "rate") faults.bytes_per_second = *number;
    if (verb == "reset-after") faults.reset_after_bytes = *number;
  } else {
    return Unknown(words);
  }
  proxy_->Set(faults);
  return Json(nullptr);
}

Result<Json> IotCore::BrokerCommand(const Words& words) {
  if (words.size() < 2) return Unknown(words);
  const std::string& verb = words[1];
  if (verb == "start") {
    if (const Status started = StartBroker(); !started) return Fail(started.error());
    return Json(nullptr);
  }
  if (verb != "stop" && verb != "restart" && verb != "kill") return Unknown(words);
  const auto down_ms = words.size() > 2 ? Number(words[2], kMaxDown.count()) : Result<std::uint64_t>(0);
  if (!down_ms) return Fail(down_ms.error());
  if (verb == "kill") broker_->Kill();  // before the proxy closes, so that gateways see it as it is
  StopBroker();
  if (verb == "stop") return Json(nullptr);
  restart_.expires_after(std::chrono::milliseconds(*down_ms));
  restart_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    if (const Status started = StartBroker(); !started) {
      log::Error("broker.start_failed", started.error().message);
    }
  });
  return Json(nullptr);
}

Result<Json> IotCore::Records(const Words& words) {
  const std::string& verb = words[0];
  if (verb == "summary") {
    Json summary = recorder_.Summary();
    summary["connections"] = Connections(false);
    if (proxy_) summary["network"] = proxy_->Statistics(false);
    summary["front"] = front_->Statistics();
    for (const auto& hosted : services_) summary[std::string(hosted->service->Name())] = hosted->service->Summary();
    return summary;
  }
  if (verb == "presence") return recorder_.Presence();
  if (verb == "clear") {
    recorder_.Clear();
    return Json(nullptr);
  }
  if (words.size() < 2) return Unknown(words);
  if (verb == "seqs") return recorder_.Ranges(words[1]);
  if (verb == "rates") return recorder_.Rates(words[1]);
  if (verb == "messages") return recorder_.Others(words[1]);
  if (verb == "arrivals") {
    const auto from = words.size() > 2 ? Number(words[2], UINT64_MAX) : Result<std::uint64_t>(0);
    const auto limit = words.size() > 3 ? Number(words[3], Recorder::kMaxReadings) : Result<std::uint64_t>(1000);
    if (!from) return Fail(from.error());
    if (!limit) return Fail(limit.error());
    return recorder_.Arrivals(words[1], *from, *limit);
  }
  return Unknown(words);
}

Result<Json> IotCore::Things(const Words& words) {
  if (words.size() != 2 || !IsThingName(words[1])) return Fail(Action::kGiveUp, "a thing name is missing");
  if (words[0] == "revoke") {
    const CertificateRecord* record = registry_.NewestOf(words[1]);
    if (record == nullptr) return Fail(Action::kGiveUp, fmt::format("{} has no certificate", words[1]));
    registry_.SetStatus(record->id, CertificateStatus::kRevoked);
    return Json(nullptr);
  }
  const Status done = words[0] == "foreign" ? pki_->IssueForeign(words[1])
                      : words[0] == "claim" ? Issue(words[1], CertificateRole::kClaim)
                                            : Issue(words[1], CertificateRole::kDevice);
  if (!done) return Fail(done.error());
  return Json(nullptr);
}

Result<Json> IotCore::Pubacks(const Words& words) {
  PubackFaults& faults = front_->pubacks();
  if (words.size() == 2 && words[1] == "none") {
    faults = {};
    return Json(nullptr);
  }
  const auto number = words.size() == 3 ? WholeNumber(words[2], kMaxDelay.count()) : std::nullopt;
  if (!number) return Unknown(words);
  if (words[1] == "delay") {
    faults.delay = std::chrono::milliseconds(*number);
  } else if (words[1] == "drop" || words[1] == "duplicate" || words[1] == "reorder") {
    auto& count = words[1] == "drop" ? faults.drop : words[1] == "duplicate" ? faults.duplicate : faults.reorder;
    count = static_cast<std::size_t>(*number);
  } else {
    return Unknown(words);
  }
  return Json(nullptr);
}

// {"used":{"iot:Publish topic/...":COUNT},"unused":[..]}: which grants of the device policy somebody has needed.
// Every thing's certificate has this one from now on; what was used of the old one is forgotten.
Result<Json> IotCore::PutInForce(const std::string& file, PolicyInForce& in_force) {
  std::ifstream stream(file);
  auto policy = Policy::Parse(std::string(std::istreambuf_iterator<char>(stream), {}));
  if (!policy) return Fail(policy.error().WithContext(file));
  in_force = {std::move(*policy), {}};
  return Json{{"grants", in_force.policy.Grants()}};
}

Json IotCore::UseOf(const PolicyInForce& in_force) {
  Json unused = Json::array();
  for (const std::string& grant : in_force.policy.Grants()) {
    if (in_force.used.count(grant) == 0) unused.push_back(grant);
  }
  return {{"used", in_force.used}, {"unused", unused}};
}

Json IotCore::Connections(bool with_times) const {
  Json things = Json::object();
  for (const auto& [client_id, connects] : connects_) {
    things[client_id] = {{"connects", connects.count}, {"protocol", connects.protocol}, {"last_ms", connects.last_ms}};
  }
  const Json front = front_->Statistics();
  Json json = {{"things", things},
               {"connects_per_second_max", connects_per_second_max_},
               {"refused", front["refused_connects"]},
               {"denied_publishes", front["denied_publishes"]},
               {"denials", denials_},
               {"ends", lifecycle_.Ends()}};
  if (with_times) json["connect_times_ms"] = connect_times_ms_;
  return json;
}

}  // namespace penumbra::iotcore
