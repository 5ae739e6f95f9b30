#include "iotcore/iot_core.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/log.hpp"
#include "base/text.hpp"
#include "iotcore/broker_log.hpp"
#include "iotcore/unix_time.hpp"

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
         "[DOWN_MS] | broker stop | broker start | publish TOPIC PAYLOAD | thing NAME | foreign NAME | revoke NAME | "
         "shadow ... | jobs ... | commands ... (each alone says its usage)";
}

Result<std::unique_ptr<IotCore>> IotCore::Create(boost::asio::io_context& context, Options options,
                                                 std::vector<std::unique_ptr<Service>> services) {
  auto policy = Policy::Parse(options.policy);
  if (!policy) return Fail(policy.error());
  const auto acl = policy->MosquittoAcl();
  if (!acl) return Fail(acl.error().WithContext("policy"));
  for (const std::string& thing : options.things) {
    if (!IsThingName(thing)) return Fail(Action::kFixConfig, fmt::format("'{}' is no thing name", thing));
  }
  std::error_code error;
  std::filesystem::create_directories(options.folder, error);
  options.folder = std::filesystem::absolute(options.folder, error);
  auto pki = Pki::Create(options.folder, options.server_names);
  if (!pki) return Fail(pki.error());
  for (const std::string& thing : options.things) {
    if (const Status issued = (*pki)->IssueThing(thing); !issued) return Fail(issued.error());
  }
  std::unique_ptr<IotCore> core(
      new IotCore(context, std::move(options), std::move(*policy), std::move(*pki), std::move(services)));
  if (!core->options_.record.empty()) {
    if (const Status opened = core->recorder_.RecordTo(core->options_.record); !opened) return Fail(opened.error());
  }
  return core;
}

IotCore::IotCore(boost::asio::io_context& context, Options options, Policy policy, std::unique_ptr<Pki> pki,
                 std::vector<std::unique_ptr<Service>> services)
    : context_(context),
      options_(std::move(options)),
      policy_(std::move(policy)),
      pki_(std::move(pki)),
      restart_(context) {
  broker_ = std::make_unique<Broker>(
      context_,
      Broker::Options{.folder = options_.folder,
                      .root_ca = pki_->root_ca(),
                      .server_certificate = pki_->server_certificate(),
                      .server_key = pki_->server_key(),
                      .revocation_list = pki_->revocation_list(),
                      .acl = *policy_.MosquittoAcl()},
      [this](std::string_view line) { OnBrokerLog(line); }, [this] { OnBrokerExit(); });
  // '#' does not match topics that begin with '$'.
  recorder_link_ = std::make_unique<BrokerLink>(
      context_, broker_->socket(), "iotcore-recorder", std::vector<std::string>{"#", "$aws/#"},
      BrokerLink::Handlers{
          .subscribed = [this] { OnSubscribed(); },
          .message = [this](auto topic, auto payload) { recorder_.OnMessage(topic, payload, UnixMs()); }});
  for (auto& service : services) {
    services_.push_back(std::make_unique<Hosted>(context_, std::move(service)));
    Hosted& hosted = *services_.back();
    const auto on_message = [this, &hosted](std::string_view topic, std::string_view payload) {
      Publish(hosted.service->OnMessage(topic, payload, UnixMs()));
      Arm(hosted);
    };
    hosted.link = std::make_unique<BrokerLink>(
        context_, broker_->socket(), fmt::format("iotcore-{}", hosted.service->Name()), hosted.service->Filters(),
        BrokerLink::Handlers{.subscribed = [this] { OnSubscribed(); }, .message = on_message});
  }
}

IotCore::~IotCore() {
  for (auto& hosted : services_) hosted->link.reset();
  recorder_link_.reset();
  proxy_.reset();
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
  for (auto& hosted : services_) hosted->link->Start();
  return {};
}

// The proxy closes first: nobody may be acknowledged by a broker to which the recorder does not listen.
void IotCore::StopBroker() {
  restart_.cancel();
  if (proxy_) proxy_->Cut();
  recorder_link_->Expire();
  for (auto& hosted : services_) hosted->link->Expire();
  broker_->Stop();
}

// The gateway's door opens when the recorder and all services hear.
void IotCore::OnSubscribed() {
  const bool all = recorder_link_->subscribed() &&
                   std::all_of(services_.begin(), services_.end(), [](const auto& s) { return s->link->subscribed(); });
  if (!all) return;
  if (!proxy_) proxy_ = std::make_unique<FaultProxy>(context_, options_.port, broker_->port());
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

void IotCore::OnBrokerLog(std::string_view line) {
  const auto event = ParseBrokerLog(line);
  if (!event) return;
  if (event->kind == BrokerEvent::Kind::kConnected) {
    if (!event->thing.empty()) OnConnected(event->client_id, event->thing, event->peer_port, event->protocol);
    return;
  }
  ++denied_publishes_;
  denials_.push_back(fmt::format("{} {}", event->client_id, event->topic));
  if (denials_.size() > kMaxDenials) denials_.pop_front();
  // AWS closes a 3.1.1 connection that publishes where it may not; mosquitto does not.
  const auto it = connects_.find(event->client_id);
  if (it != connects_.end() && it->second.protocol < 5 && proxy_) proxy_->CloseUpstreamPort(it->second.peer_port);
}

void IotCore::OnConnected(const std::string& client_id, const std::string& thing, std::uint16_t port, int protocol) {
  const Principal principal{.thing = thing, .client_id = client_id, .attached = client_id == thing};
  if (!policy_.Allows("iot:Connect", "client/" + client_id, principal)) {
    ++refused_connects_;
    log::Notice("connect.refused", "the policy does not allow this client id",
                {{"client_id", client_id}, {"thing", thing}});
    if (proxy_) proxy_->CloseUpstreamPort(port);
    return;
  }
  const std::int64_t now_ms = UnixMs();
  Connects& connects = connects_[client_id];
  connects = {connects.count + 1, protocol, port, now_ms};
  connect_times_ms_.push_back(now_ms);
  if (connect_times_ms_.size() > kMaxConnectTimes) connect_times_ms_.pop_front();
  last_second_.push_back(now_ms);
  while (last_second_.front() <= now_ms - 1000) last_second_.pop_front();
  connects_per_second_max_ = std::max(connects_per_second_max_, last_second_.size());
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
          {"broker_port", broker_->port()},
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
  if (verb == "thing" || verb == "foreign" || verb == "revoke") return Things(words);
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
  const Status done = words[0] == "thing"     ? pki_->IssueThing(words[1])
                      : words[0] == "foreign" ? pki_->IssueForeign(words[1])
                                              : pki_->Revoke(words[1]);
  if (!done) return Fail(done.error());
  // mosquitto reads revocations only when it starts.
  if (words[0] == "revoke") return BrokerCommand({"broker", "restart"});
  return Json(nullptr);
}

Json IotCore::Connections(bool with_times) const {
  Json things = Json::object();
  for (const auto& [client_id, connects] : connects_) {
    things[client_id] = {{"connects", connects.count}, {"protocol", connects.protocol}, {"last_ms", connects.last_ms}};
  }
  Json json = {{"things", things},
               {"connects_per_second_max", connects_per_second_max_},
               {"refused", refused_connects_},
               {"denied_publishes", denied_publishes_},
               {"denials", denials_}};
  if (with_times) json["connect_times_ms"] = connect_times_ms_;
  return json;
}

}  // namespace penumbra::iotcore
