#include "uplink/uplink.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/log.hpp"
#include "uplink/gap_reporter.hpp"
#include "uplink/link_session.hpp"

namespace penumbra {
namespace {

// In flight over all things together. Enough for a hundred milliseconds of network at a thousand messages a second;
// beyond it Paho only gets slower (33 us a message with one in flight, 429 us with ten thousand; baselines.md).
constexpr int kMaxInFlightTotal = 100;
// How often it is looked whether a removed thing has anything left to send.
constexpr Duration kLeavePoll = std::chrono::seconds(1);

class LinkUplink : public Uplink {
 public:
  LinkUplink(Options options, EventLoop& loop, mqtt::Transport& transport, Store& store, TimeTrust& trust)
      : options_(std::move(options)),
        loop_(loop),
        gaps_(loop, store),
        random_(options_.seed != 0 ? options_.seed : std::random_device{}()),
        gate_(loop, options_.upstream.connect_rate, random_),
        turns_(loop, kMaxInFlightTotal),
        clients_{&gaps_},
        context_{loop,     transport, store, trust,  options_.upstream, options_.clock.patience, options_.state,
                 clients_, random_,   gate_, turns_, protocol_,         store.NewestTrustedMs()} {}
  ~LinkUplink() override { *alive_ = false; }

  void Attach(LinkClient& client) override { clients_.push_back(&client); }
  void Start(const GatewaySettings& gateway, const std::vector<ThingSettings>& things) override;
  void Reconfigure(const UpstreamSettings& upstream, const std::vector<ThingSettings>& things) override;
  void OnCommitted(const std::vector<Reading>& readings) override;
  void SetSensor(const std::string& thing, SensorState sensor) override;
  void Shutdown(std::function<void()> done) override;
  void Hold(const std::string& thing, std::function<void()> done) override;
  void Release(const std::string& thing) override;
  std::vector<LinkStatus> Links() const override;
  std::string Explain(const std::string& thing, std::uint64_t seq) const override;

 private:
  struct Place {
    std::unique_ptr<LinkSession> session;
    bool gateway = false;
    bool leaving = false;                // until the store has nothing unsent of it
    bool flushed = false;                // and the store has committed all that was read
    bool closing = false;                // says goodbye
    std::optional<ThingSettings> after;  // the session that comes after the goodbye; none: the place goes as well
  };
  using PlacePtr = std::unique_ptr<Place>;

  PlacePtr* FindPlace(const std::string& thing);
  ThingSettings WithCredentials(ThingSettings thing) const;
  void Add(ThingSettings thing, bool gateway);
  void Begin(LinkSession& session);
  void Follow(Place& place, ThingSettings thing, bool reconnect);
  void Close(Place& place);
  void Closed(const std::string& thing);
  void Leave(Place& place);
  void WatchLeaving();
  void FlushFor(const std::string& thing);
  std::filesystem::path Credential(const std::filesystem::path& given, const std::string& thing,
                                   const char* ending) const;
  void OneClosed();

  Options options_;
  EventLoop& loop_;
  GapReporter gaps_;
  Random random_;
  ConnectGate gate_;
  Turns turns_;
  ProtocolMemory protocol_;
  std::vector<LinkClient*> clients_;
  LinkContext context_;
  std::vector<PlacePtr> links_;  // the gateway first, then as configured, then what came by reload
  std::map<std::string, LinkSession*> by_thing_;
  std::set<std::string> held_;  // somebody else has their client ids: nothing is started, a reload does not either
  bool shutting_down_ = false;
  SubscriptionPtr leaving_timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
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

ThingSettings LinkUplink::WithCredentials(ThingSettings thing) const {
  thing.certificate = Credential(thing.certificate, thing.name, ".pem.crt");
  thing.private_key = Credential(thing.private_key, thing.name, ".pem.key");
  return thing;
}

void LinkUplink::Add(ThingSettings thing, bool gateway) {
  auto place = std::make_unique<Place>();
  place->gateway = gateway;
  place->session = std::make_unique<LinkSession>(context_, WithCredentials(std::move(thing)), gateway);
  by_thing_[place->session->thing()] = place->session.get();
  links_.push_back(std::move(place));
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
  for (const auto& link : links_) Begin(*link->session);
}

void LinkUplink::Begin(LinkSession& session) {
  if (!options_.upstream.endpoint.empty() && held_.count(session.thing()) == 0) session.Start();
}

// --- another configuration ---

LinkUplink::PlacePtr* LinkUplink::FindPlace(const std::string& thing) {
  const auto found =
      std::find_if(links_.begin(), links_.end(), [&thing](const auto& p) { return p->session->thing() == thing; });
  return found == links_.end() ? nullptr : &*found;
}

void LinkUplink::Reconfigure(const UpstreamSettings& upstream, const std::vector<ThingSettings>& things) {
  const UpstreamSettings before = std::exchange(options_.upstream, upstream);
  const bool elsewhere = before.endpoint != upstream.endpoint || before.port != upstream.port;
  const bool reconnect = elsewhere || before.root_ca != upstream.root_ca || before.protocol != upstream.protocol ||
                         before.keep_alive != upstream.keep_alive || before.session_expiry != upstream.session_expiry ||
                         before.status_retained != upstream.status_retained;
  if (elsewhere) protocol_ = {};
  if (before.connect_rate != upstream.connect_rate) gate_.Change(upstream.connect_rate);
  std::set<std::string> wanted;
  for (const ThingSettings& thing : things) {
    wanted.insert(thing.name);
    if (PlacePtr* known = FindPlace(thing.name)) {
      Follow(**known, thing, reconnect);
      continue;
    }
    Add(thing, false);
    Begin(*links_.back()->session);
  }
  for (const auto& place : links_) {
    if (place->gateway) {
      Follow(*place, place->session->settings(), reconnect);
    } else if (wanted.count(place->session->thing()) == 0) {
      Leave(*place);
    }
  }
}

void LinkUplink::Follow(Place& place, ThingSettings thing, bool reconnect) {
  thing = WithCredentials(std::move(thing));
  const ThingSettings& old = place.session->settings();
  const bool anew = reconnect || place.leaving || place.closing || thing.certificate != old.certificate ||
                    thing.private_key != old.private_key;
  place.leaving = false;
  if (!anew) return place.session->Follow(std::move(thing));
  place.after = std::move(thing);
  Close(place);
}

void LinkUplink::Close(Place& place) {
  if (std::exchange(place.closing, true)) return;
  // Not destroyed from within its own call.
  place.session->Shutdown([this, alive = alive_, thing = place.session->thing()] {
    loop_.Post([this, alive, thing] {
      if (*alive) Closed(thing);
    });
  });
}

void LinkUplink::Closed(const std::string& thing) {
  PlacePtr* place = FindPlace(thing);
  if (place == nullptr || shutting_down_) return;
  by_thing_.erase(thing);
  if (!(*place)->after) {
    links_.erase(links_.begin() + (place - links_.data()));
    return;
  }
  ThingSettings settings = *std::exchange((*place)->after, std::nullopt);
  const bool gateway = (*place)->gateway;
  const std::optional<SensorState> sensor = (*place)->session->sensor();
  (*place)->closing = false;
  (*place)->session.reset();  // gives up its turn at the gate before the next one asks for it
  (*place)->session = std::make_unique<LinkSession>(context_, std::move(settings), gateway);
  if (sensor) (*place)->session->SetSensor(*sensor);
  by_thing_[thing] = (*place)->session.get();
  Begin(*(*place)->session);
}

void LinkUplink::Leave(Place& place) {
  if (place.leaving || (place.closing && !place.after)) return;
  place.leaving = true;  // also behind a goodbye under way: its next session sends what is left
  place.flushed = false;
  if (options_.upstream.endpoint.empty()) return Close(place);
  if (!leaving_timer_) leaving_timer_ = loop_.After(kLeavePoll, [this] { WatchLeaving(); });
}

void LinkUplink::WatchLeaving() {
  leaving_timer_.reset();
  bool more = false;
  for (const auto& place : links_) {
    if (!place->leaving) continue;
    if (place->closing) {
      more = more || place->after;  // its next session is still to come
      continue;
    }
    const std::string& thing = place->session->thing();
    // What was read before the thing went may still wait for its commit.
    if (!place->flushed) {
      more = true;
      FlushFor(thing);
    } else if (context_.store.Outbox(thing).unsent > 0) {
      more = true;
    } else {
      log::Notice("uplink.left", "all readings of the removed thing have been sent", {{"thing", thing}});
      Close(*place);
    }
  }
  if (more) leaving_timer_ = loop_.After(kLeavePoll, [this] { WatchLeaving(); });
}

// Has everything that is read until now committed, so that the store's word on what is unsent is the last.
void LinkUplink::FlushFor(const std::string& thing) {
  context_.store.Flush([this, alive = alive_, thing](const Status& status) {
    PlacePtr* place = *alive ? FindPlace(thing) : nullptr;
    if (place != nullptr && (*place)->leaving && status) (*place)->flushed = true;
  });
}

void LinkUplink::OnCommitted(const std::vector<Reading>& readings) {
  for (const Reading& reading : readings) {
    if (const auto found = by_thing_.find(reading.thing); found != by_thing_.end()) found->second->Committed(reading);
  }
}

void LinkUplink::SetSensor(const std::string& thing, SensorState sensor) {
  if (const auto found = by_thing_.find(thing); found != by_thing_.end()) found->second->SetSensor(std::move(sensor));
}

void LinkUplink::Shutdown(std::function<void()> done) {
  shutting_down_ = true;
  shut_down_ = std::move(done);
  open_ = links_.size() + 1;  // one for ourselves: a link may close inside the call
  shutdown_timer_ = loop_.After(options_.upstream.operation_timeout, [this] {
    if (const auto finished = std::exchange(shut_down_, {})) finished();
  });
  for (const auto& link : links_) link->session->Shutdown([this] { OneClosed(); });
  OneClosed();
}

void LinkUplink::Hold(const std::string& thing, std::function<void()> done) {
  const auto found = by_thing_.find(thing);
  if (found == by_thing_.end() || shutting_down_) return done();
  held_.insert(thing);
  found->second->Shutdown(std::move(done));
}

void LinkUplink::Release(const std::string& thing) {
  held_.erase(thing);
  const auto found = by_thing_.find(thing);
  if (found != by_thing_.end() && !shutting_down_) Begin(*found->second);
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
  for (const auto& link : links_) {
    all.push_back(link->session->Snapshot());
    all.back().leaving = link->leaving;
  }
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
