#include "uplink/uplink.hpp"

#include <map>
#include <utility>

#include "base/log.hpp"
#include "uplink/link_session.hpp"

namespace penumbra {
namespace {

// In flight over all things together. Enough for a hundred milliseconds of network at a thousand messages a second;
// beyond it Paho only gets slower (33 us a message with one in flight, 429 us with ten thousand; baselines.md).
constexpr int kMaxInFlightTotal = 100;

class LinkUplink : public Uplink {
 public:
  LinkUplink(Options options, EventLoop& loop, mqtt::Transport& transport, Store& store, TimeTrust& trust)
      : options_(std::move(options)),
        loop_(loop),
        random_(options_.seed != 0 ? options_.seed : std::random_device{}()),
        gate_(loop, options_.upstream.connect_rate, random_),
        turns_(loop, kMaxInFlightTotal),
        context_{loop,     transport, store, trust,  options_.upstream, options_.clock.patience, options_.state,
                 clients_, random_,   gate_, turns_, protocol_} {}

  void Attach(LinkClient& client) override { clients_.push_back(&client); }
  void Start(const GatewaySettings& gateway, const std::vector<ThingSettings>& things) override;
  void OnCommitted(const std::vector<Reading>& readings) override;
  void Shutdown(std::function<void()> done) override;
  std::vector<LinkStatus> Links() const override;
  std::string Explain(const std::string& thing, std::uint64_t seq) const override;

 private:
  void Add(ThingSettings thing, bool gateway);
  std::filesystem::path Credential(const std::filesystem::path& given, const std::string& thing,
                                   const char* ending) const;
  void OneClosed();

  const Options options_;
  EventLoop& loop_;
  Random random_;
  ConnectGate gate_;
  Turns turns_;
  ProtocolMemory protocol_;
  std::vector<LinkClient*> clients_;
  LinkContext context_;
  std::vector<std::unique_ptr<LinkSession>> links_;  // the gateway first, then as configured
  std::map<std::string, LinkSession*> by_thing_;
  std::function<void()> shut_down_;
  std::size_t open_ = 0;
  SubscriptionPtr shutdown_timer_;
};

// interfaces.md, "Credentials": <state>/credentials/<thing>.pem.crt and .pem.key unless configured.
std::filesystem::path LinkUplink::Credential(const std::filesystem::path& given, const std::string& thing,
                                             const char* ending) const {
  if (given.empty()) return options_.state / "credentials" / (thing + ending);
  if (given.is_absolute() || given.native().rfind("pkcs11:", 0) == 0) return given;
  return options_.state / given;
}

void LinkUplink::Add(ThingSettings thing, bool gateway) {
  thing.certificate = Credential(thing.certificate, thing.name, ".pem.crt");
  thing.private_key = Credential(thing.private_key, thing.name, ".pem.key");
  links_.push_back(std::make_unique<LinkSession>(context_, std::move(thing), gateway));
  by_thing_[links_.back()->thing()] = links_.back().get();
}

void LinkUplink::Start(const GatewaySettings& gateway, const std::vector<ThingSettings>& things) {
  if (!gateway.thing.empty()) {
    ThingSettings own;
    own.name = gateway.thing;
    own.certificate = gateway.certificate;
    own.private_key = gateway.private_key;
    Add(std::move(own), true);
  }
  for (const ThingSettings& thing : things) Add(thing, false);
  if (options_.upstream.endpoint.empty()) {
    log::Notice("uplink.offline", "no [upstream] endpoint is configured: readings are stored and not sent");
    return;
  }
  for (const auto& link : links_) link->Start();
}

void LinkUplink::OnCommitted(const std::vector<Reading>& readings) {
  for (const Reading& reading : readings) {
    if (const auto found = by_thing_.find(reading.thing); found != by_thing_.end()) found->second->Committed(reading);
  }
}

void LinkUplink::Shutdown(std::function<void()> done) {
  shut_down_ = std::move(done);
  open_ = links_.size() + 1;  // one for ourselves: a link may close inside the call
  shutdown_timer_ = loop_.After(options_.upstream.operation_timeout, [this] {
    if (const auto finished = std::exchange(shut_down_, {})) finished();
  });
  for (const auto& link : links_) link->Shutdown([this] { OneClosed(); });
  OneClosed();
}

void LinkUplink::OneClosed() {
  if (--open_ > 0) return;
  shutdown_timer_ = loop_.After(Duration::zero(), [this] {
    if (const auto finished = std::exchange(shut_down_, {})) finished();
  });
}

std::vector<LinkStatus> LinkUplink::Links() const {
  std::vector<LinkStatus> all;
  all.reserve(links_.size());
  for (const auto& link : links_) all.push_back(link->Snapshot());
  return all;
}

std::string LinkUplink::Explain(const std::string& thing, std::uint64_t seq) const {
  const auto found = by_thing_.find(thing);
  return found == by_thing_.end() ? "not known" : found->second->Explain(seq);
}

}  // namespace

std::unique_ptr<Uplink> Uplink::Create(Options options, EventLoop& loop, mqtt::Transport& transport, Store& store,
                                       TimeTrust& time_trust) {
  return std::make_unique<LinkUplink>(std::move(options), loop, transport, store, time_trust);
}

}  // namespace penumbra
