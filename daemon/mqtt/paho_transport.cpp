// The only file that sees Paho. Paho C 1.3.12 directly, not its C++ wrapper 1.2.0: the wrapper leaves the context of
// its TLS error handler pointing into an options object that is gone when connect() returns (ssl_options.cpp,
// async_client.cpp), so no TLS failure could ever be explained, and it keeps a list of tokens per message besides.
//
// Threads. Loop: Inbox and PahoConnection. MQTT thread: every Paho call. Paho's own two threads: the static callbacks
// of PahoSession, which run under Paho's process-wide mutex and therefore only copy and post, but for messages that are
// committed before they are acknowledged (pending_ack.hpp).
//
// What reading paho.mqtt.c 1.3.12 taught (MQTTAsyncUtils.c):
//  - a DISCONNECT from the server calls `disconnected` but not `connectionLost`;
//  - MQTTAsync_destroy says DISCONNECT when connected, and destroying the last client stops Paho's threads, which takes
//    about a second: so one client that never connects (the anchor) lives as long as the transport;
//  - its own connect timeout is looked at every three seconds only: ours is on the loop.
#include "mqtt/paho_transport.hpp"

#include <MQTTAsync.h>

#include <atomic>
#include <mutex>
#include <set>
#include <utility>

#include "base/log.hpp"
#include "credentials/inspect.hpp"
#include "mqtt/failure.hpp"
#include "mqtt/inbox.hpp"
#include "mqtt/interposed.hpp"
#include "mqtt/pending_ack.hpp"
#include "mqtt/work_thread.hpp"

namespace penumbra::mqtt {
namespace {

constexpr std::uint16_t kAlpnPort = 443;
// Wire form: length, name. Mandatory on 443 (aws-iot-core.md section 1).
constexpr char kAlpn[] = "\x0ex-amzn-mqtt-ca";
constexpr std::size_t kMaxTlsText = 2000;
// How long a DISCONNECT may take to leave before the connection is simply torn down.
constexpr std::chrono::milliseconds kDisconnectPatience{1000};
// Paho's own limits, out of our way: the uplink keeps the window.
constexpr int kPahoUnlimited = 65535;
constexpr int kDisconnectWithWill = 0x04;  // MQTT 5 section 3.14.2.1

class PahoSession;

// What a publish or subscribe carries through Paho. Paho calls back once for each; the session owns them, so one that
// Paho forgets is freed with the session.
struct Pending {
  PahoSession* session = nullptr;
  std::uint64_t token = 0;
  bool publish = true;
  bool in_use = false;
};

struct Core {
  std::atomic<std::uint64_t> connects{0}, queue_full{0}, inbound_overflow{0}, acks_withheld{0};
  std::atomic<std::size_t> session_count{0};
  std::set<std::shared_ptr<PahoSession>> sessions;  // MQTT thread
  std::set<std::string> warned;                     // MQTT thread: odd credentials already told
  MQTTAsync anchor = nullptr;                       // MQTT thread
  std::unique_ptr<WorkThread> thread;
  AckPatience patience;
};

// One attempt and one session. MQTT thread, but for the callbacks.
class PahoSession : public std::enable_shared_from_this<PahoSession> {
 public:
  PahoSession(Core& core, std::shared_ptr<Inbox> inbox, ConnectOptions options)
      : core_(core), inbox_(std::move(inbox)), options_(std::move(options)) {}

  void Start(const std::string& address);
  void Publish(std::uint64_t token, const std::string& topic, const std::string& payload, bool retain);
  void Subscribe(std::uint64_t token, const std::string& filter);
  // Says DISCONNECT with this reason if there is anybody to say it to, then destroys.
  void Close(int reason);
  void Destroy();
  const ConnectOptions& options() const { return options_; }
  Inbox& inbox() { return *inbox_; }

 private:
  static PahoSession& From(void* context) { return *static_cast<PahoSession*>(context); }
  static int OnTlsError(const char* text, std::size_t length, void* context);
  static void OnConnect(void* context, MQTTAsync_successData* data);
  static void OnConnect5(void* context, MQTTAsync_successData5* data);
  static void OnConnectFailure(void* context, MQTTAsync_failureData* data);
  static void OnConnectFailure5(void* context, MQTTAsync_failureData5* data);
  static void OnLost(void* context, char* cause);
  static void OnServerDisconnect(void* context, MQTTProperties* properties, MQTTReasonCodes reason);
  static int OnMessage(void* context, char* topic, int topic_length, MQTTAsync_message* message);
  static void OnDone(void* context, MQTTAsync_successData* data);
  static void OnDone5(void* context, MQTTAsync_successData5* data);
  static void OnRefused(void* context, MQTTAsync_failureData* data);
  static void OnRefused5(void* context, MQTTAsync_failureData5* data);
  static void OnDisconnected(void* context, MQTTAsync_successData* data);
  static void OnDisconnected5(void* context, MQTTAsync_successData5* data);

  bool v5() const { return options_.version == Version::k5; }
  int Create();
  int Connect();
  MQTTAsync_responseOptions Response(Pending* pending) const;
  Pending* Take(std::uint64_t token, bool publish);
  void Give(Pending* pending);
  void Up(const Session& session);
  void ConnectFailed(int code, const char* text);
  void Answer(Pending* pending, int code);
  void Received(Message message);
  void TakeOver(Message message, int packet_id);

  Core& core_;
  const std::shared_ptr<Inbox> inbox_;
  const ConnectOptions options_;
  std::string address_;
  std::unique_ptr<NameLease> lease_;
  MQTTAsync handle_ = nullptr;
  bool closed_ = false;
  std::atomic<bool> connected_{false};
  std::string tls_text_;      // under Paho's mutex
  WithheldPubacks withheld_;  // the same

  std::mutex pending_mutex_;
  std::vector<std::unique_ptr<Pending>> pending_;  // as many as were ever in flight at once
  std::vector<Pending*> free_;
};

std::string Uri(const ConnectOptions& options) {
  const bool v6 = options.host.find(':') != std::string::npos;
  return "ssl://" + (v6 ? "[" + options.host + "]" : options.host) + ":" + std::to_string(options.port);
}

int PahoSession::Create() {
  MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer;
  create.MQTTVersion = v5() ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
  create.maxBufferedMessages = kPahoUnlimited;
  int code = MQTTAsync_createWithOptions(&handle_, Uri(options_).c_str(), options_.client_id.c_str(),
                                         MQTTCLIENT_PERSISTENCE_NONE, nullptr, &create);
  if (code == MQTTASYNC_SUCCESS) code = MQTTAsync_setConnectionLostCallback(handle_, this, &OnLost);
  if (code == MQTTASYNC_SUCCESS) code = MQTTAsync_setMessageArrivedCallback(handle_, this, &OnMessage);
  if (code == MQTTASYNC_SUCCESS && v5()) code = MQTTAsync_setDisconnected(handle_, this, &OnServerDisconnect);
  return code;
}

// The one property of our CONNECT; Paho copies it.
class SessionExpiry {
 public:
  explicit SessionExpiry(Duration expiry) {
    MQTTProperty property{};
    property.identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL;
    property.value.integer4 = static_cast<unsigned int>(std::chrono::ceil<std::chrono::seconds>(expiry).count());
    MQTTProperties_add(&properties_, &property);
  }
  ~SessionExpiry() { MQTTProperties_free(&properties_); }
  SessionExpiry(const SessionExpiry&) = delete;
  SessionExpiry& operator=(const SessionExpiry&) = delete;
  MQTTProperties* get() { return &properties_; }

 private:
  MQTTProperties properties_ = MQTTProperties_initializer;
};

int PahoSession::Connect() {
  const bool keeps_session = options_.session_expiry > Duration::zero();
  SessionExpiry expiry(options_.session_expiry);
  MQTTAsync_connectOptions connect = MQTTAsync_connectOptions_initializer;
  if (v5()) {
    const MQTTAsync_connectOptions five = MQTTAsync_connectOptions_initializer5;
    connect = five;
    connect.cleanstart = keeps_session ? 0 : 1;
    if (keeps_session) connect.connectProperties = expiry.get();
    connect.onSuccess5 = &OnConnect5;
    connect.onFailure5 = &OnConnectFailure5;
  } else {
    connect.MQTTVersion = MQTTVERSION_3_1_1;  // explicit: the default version would try twice
    connect.cleansession = keeps_session ? 0 : 1;
    connect.onSuccess = &OnConnect;
    connect.onFailure = &OnConnectFailure;
  }
  connect.context = this;
  connect.keepAliveInterval = static_cast<int>(std::chrono::ceil<std::chrono::seconds>(options_.keep_alive).count());
  connect.connectTimeout =
      static_cast<int>(std::chrono::ceil<std::chrono::seconds>(options_.connect_timeout).count()) + 1;
  connect.maxInflight = kPahoUnlimited;
  connect.automaticReconnect = 0;

  MQTTAsync_willOptions will = MQTTAsync_willOptions_initializer;
  if (options_.will) {
    will.topicName = options_.will->topic.c_str();
    will.message = options_.will->payload.c_str();
    will.qos = 1;
    will.retained = options_.will->retain ? 1 : 0;
    connect.will = &will;
  }

  MQTTAsync_SSLOptions ssl = MQTTAsync_SSLOptions_initializer;
  const std::string root_ca = options_.root_ca.string();
  const std::string certificate = options_.certificate.string();
  const std::string private_key = options_.private_key.string();
  if (!root_ca.empty()) {
    ssl.trustStore = root_ca.c_str();
    ssl.disableDefaultTrustStore = 1;
  }
  ssl.keyStore = certificate.c_str();
  ssl.privateKey = private_key.c_str();
  ssl.enableServerCertAuth = 1;
  ssl.verify = 1;  // host name
  ssl.sslVersion = MQTT_SSL_VERSION_TLS_1_2;
  ssl.ssl_error_cb = &OnTlsError;
  ssl.ssl_error_context = this;
  if (options_.port == kAlpnPort) {
    ssl.protos = reinterpret_cast<const unsigned char*>(kAlpn);
    ssl.protos_len = sizeof kAlpn - 1;
  }
  connect.ssl = &ssl;
  return MQTTAsync_connect(handle_, &connect);
}

void PahoSession::Start(const std::string& address) {
  if (closed_) return;
  address_ = address;
  lease_ = std::make_unique<NameLease>(options_.host, address);
  core_.sessions.insert(shared_from_this());
  core_.session_count = core_.sessions.size();
  ++core_.connects;
  int code = Create();
  if (code == MQTTASYNC_SUCCESS) code = Connect();
  if (code != MQTTASYNC_SUCCESS) {
    ConnectFailed(code, "");
    Destroy();
  }
}

Pending* PahoSession::Take(std::uint64_t token, bool publish) {
  const std::lock_guard lock(pending_mutex_);
  if (free_.empty()) {
    pending_.push_back(std::make_unique<Pending>());
    free_.push_back(pending_.back().get());
  }
  Pending* const pending = free_.back();
  free_.pop_back();
  *pending = {this, token, publish, true};
  return pending;
}

void PahoSession::Give(Pending* pending) {
  const std::lock_guard lock(pending_mutex_);
  if (!std::exchange(pending->in_use, false)) return;
  free_.push_back(pending);
}

MQTTAsync_responseOptions PahoSession::Response(Pending* pending) const {
  MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
  response.context = pending;
  if (v5()) {
    response.onSuccess5 = &OnDone5;
    response.onFailure5 = &OnRefused5;
  } else {
    response.onSuccess = &OnDone;
    response.onFailure = &OnRefused;
  }
  return response;
}

void PahoSession::Publish(std::uint64_t token, const std::string& topic, const std::string& payload, bool retain) {
  if (!handle_) return;
  Pending* const pending = Take(token, true);
  MQTTAsync_responseOptions response = Response(pending);
  const int code = MQTTAsync_send(handle_, topic.c_str(), static_cast<int>(payload.size()), payload.data(), 1,
                                  retain ? 1 : 0, &response);
  if (code == MQTTASYNC_SUCCESS) return;
  // Disconnected: OnDown is on its way and says enough. Anything else is this message's fault.
  if (code == MQTTASYNC_DISCONNECTED) return Give(pending);
  Answer(pending, code == MQTTASYNC_BAD_UTF8_STRING ? 0x90 : 0x80);
}

void PahoSession::Subscribe(std::uint64_t token, const std::string& filter) {
  if (!handle_) return;
  Pending* const pending = Take(token, false);
  MQTTAsync_responseOptions response = Response(pending);
  const int code = MQTTAsync_subscribe(handle_, filter.c_str(), 1, &response);
  if (code == MQTTASYNC_SUCCESS) return;
  if (code == MQTTASYNC_DISCONNECTED) return Give(pending);
  Answer(pending, 0x8F);
}

void PahoSession::Close(int reason) {
  closed_ = true;
  // 3.1.1 cannot say that the will is wanted.
  const bool worth_saying = handle_ && connected_ && (v5() || reason == 0);
  if (!worth_saying) return Destroy();
  MQTTAsync_disconnectOptions disconnect = MQTTAsync_disconnectOptions_initializer;
  if (v5()) {
    const MQTTAsync_disconnectOptions five = MQTTAsync_disconnectOptions_initializer5;
    disconnect = five;
    disconnect.reasonCode = static_cast<MQTTReasonCodes>(reason);
    disconnect.onSuccess5 = &OnDisconnected5;
  } else {
    disconnect.onSuccess = &OnDisconnected;
  }
  disconnect.context = this;
  if (MQTTAsync_disconnect(handle_, &disconnect) != MQTTASYNC_SUCCESS) return Destroy();
  core_.thread->PostAfter(kDisconnectPatience, [self = shared_from_this()] { self->Destroy(); });
}

void PahoSession::Destroy() {
  if (handle_) MQTTAsync_destroy(&handle_);
  lease_.reset();
  inbox_->PostEnd({Failure::Kind::kLocal, 0, "closed by us"});
  core_.sessions.erase(shared_from_this());  // perhaps the last owner but the caller's
  core_.session_count = core_.sessions.size();
}

// --- Paho's threads ---

int PahoSession::OnTlsError(const char* text, std::size_t length, void* context) {
  std::string& all = From(context).tls_text_;
  if (all.size() + length <= kMaxTlsText) all.append(text, length);
  return 1;
}

void PahoSession::Up(const Session& session) {
  connected_ = true;
  inbox_->Post([session](Inbox& inbox) {
    inbox.deadline.reset();
    inbox.listener->OnConnected(session);
  });
}

void PahoSession::OnConnect(void* context, MQTTAsync_successData* data) {
  From(context).Up({data->alt.connect.sessionPresent != 0});
}

void PahoSession::OnConnect5(void* context, MQTTAsync_successData5* data) {
  Session session;
  session.present = data->alt.connect.sessionPresent != 0;
  const auto said = [data](enum MQTTPropertyCodes code) -> std::optional<std::int64_t> {
    if (!MQTTProperties_hasProperty(&data->properties, code)) return std::nullopt;
    return MQTTProperties_getNumericValue(&data->properties, code);
  };
  if (const auto n = said(MQTTPROPERTY_CODE_RECEIVE_MAXIMUM)) session.receive_maximum = static_cast<int>(*n);
  if (const auto n = said(MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE)) {
    session.maximum_packet = static_cast<std::uint32_t>(*n);
  }
  if (const auto n = said(MQTTPROPERTY_CODE_MAXIMUM_QOS)) session.maximum_qos = static_cast<int>(*n);
  if (const auto n = said(MQTTPROPERTY_CODE_RETAIN_AVAILABLE)) session.retain_available = *n != 0;
  if (const auto n = said(MQTTPROPERTY_CODE_SERVER_KEEP_ALIVE)) session.keep_alive = std::chrono::seconds(*n);
  if (auto wrong = ForbiddenInConnack(session)) return From(context).inbox_->PostEnd(std::move(*wrong));
  From(context).Up(session);
}

void PahoSession::ConnectFailed(int code, const char* text) {
  const ConnectReport report{code, text ? text : "", tls_text_, TakeHostMismatch()};
  inbox_->PostEnd(ConnectFailure(report, options_, address_));
}

void PahoSession::OnConnectFailure(void* context, MQTTAsync_failureData* data) {
  From(context).ConnectFailed(data ? data->code : -1, data ? data->message : nullptr);
}

void PahoSession::OnConnectFailure5(void* context, MQTTAsync_failureData5* data) {
  From(context).ConnectFailed(data ? data->code : -1, data ? data->message : nullptr);
}

void PahoSession::OnLost(void* context, char*) {
  From(context).connected_ = false;
  From(context).inbox_->PostEnd(ClosedFailure(0));
}

void PahoSession::OnServerDisconnect(void* context, MQTTProperties*, MQTTReasonCodes reason) {
  From(context).connected_ = false;
  From(context).inbox_->PostEnd(ClosedFailure(reason));
}

int PahoSession::OnMessage(void* context, char* topic, int topic_length, MQTTAsync_message* message) {
  Message received;
  received.topic = topic_length > 0 ? std::string(topic, static_cast<std::size_t>(topic_length)) : topic;
  received.payload.assign(static_cast<const char*>(message->payload),
                          static_cast<std::size_t>(std::max(message->payloadlen, 0)));
  received.retained = message->retained != 0;
  PahoSession& session = From(context);
  if (message->qos > 0 && BeginsWithOneOf(received.topic, session.options_.commit_first)) {
    session.TakeOver(std::move(received), message->msgid);
  } else {
    session.Received(std::move(received));
  }
  MQTTAsync_freeMessage(&message);
  MQTTAsync_free(topic);
  return 1;
}

void PahoSession::Received(Message message) {
  const std::size_t bytes = message.topic.size() + message.payload.size();
  if (inbox_->unread_messages.fetch_add(1) >= kMaxInboundMessages ||
      inbox_->unread_bytes.fetch_add(bytes) + bytes > kMaxInboundBytes) {
    ++core_.inbound_overflow;
    inbox_->PostEnd({Failure::Kind::kNetwork, 0, "more messages came than the gateway could handle"});
    return;
  }
  inbox_->Post([message = std::move(message), bytes](Inbox& inbox) {
    inbox.unread_messages -= 1;
    inbox.unread_bytes -= bytes;
    inbox.listener->OnMessage(message);
  });
}

// Paho sends the PUBACK when this has returned.
void PahoSession::TakeOver(Message message, int packet_id) {
  const auto decision = std::make_shared<AckPatience::Decision>();
  message.ack = AckPatience::TicketFor(decision);
  Received(std::move(message));  // one that there is no room for lets go of the ticket
  if (core_.patience.Await(*decision)) return;
  ++core_.acks_withheld;
  if (withheld_.Add(packet_id) < kMaxWithheldAcks) return;
  inbox_->PostEnd({Failure::Kind::kClosed, 0, "too many orders could not be stored; they come again"});
}

void PahoSession::Answer(Pending* pending, int code) {
  const std::uint64_t token = pending->token;
  const bool publish = pending->publish;
  Give(pending);
  inbox_->Post([token, publish, code](Inbox& inbox) {
    publish ? inbox.listener->OnPublished(token, {code}) : inbox.listener->OnSubscribed(token, {code});
  });
}

void PahoSession::OnDone(void* context, MQTTAsync_successData*) {
  auto* const pending = static_cast<Pending*>(context);
  pending->session->Answer(pending, 0);
}

void PahoSession::OnDone5(void* context, MQTTAsync_successData5* data) {
  auto* const pending = static_cast<Pending*>(context);
  pending->session->Answer(pending, pending->publish ? 0 : data->reasonCode);
}

// A failure without a refusal of the server means that the connection went away: OnDown says so.
void PahoSession::OnRefused(void* context, MQTTAsync_failureData* data) {
  auto* const pending = static_cast<Pending*>(context);
  if (!pending->publish && data->code >= 0x80) return pending->session->Answer(pending, data->code);
  pending->session->Give(pending);
}

void PahoSession::OnRefused5(void* context, MQTTAsync_failureData5* data) {
  auto* const pending = static_cast<Pending*>(context);
  if (data->reasonCode >= 0x80) return pending->session->Answer(pending, data->reasonCode);
  pending->session->Give(pending);
}

void PahoSession::OnDisconnected(void* context, MQTTAsync_successData*) {
  From(context).core_.thread->PostAlways([self = From(context).shared_from_this()] { self->Destroy(); });
}

void PahoSession::OnDisconnected5(void* context, MQTTAsync_successData5*) {
  OnDisconnected(context, nullptr);
}

// --- loop thread ---

class PahoConnection : public Connection {
 public:
  PahoConnection(Core& core, std::shared_ptr<Inbox> inbox, std::shared_ptr<PahoSession> session)
      : core_(core), inbox_(std::move(inbox)), session_(std::move(session)) {}

  ~PahoConnection() override {
    inbox_->listener = nullptr;
    inbox_->deadline.reset();
    if (const auto let_go = std::exchange(inbox_->release, {})) let_go(false);
  }

  void Publish(std::uint64_t token, std::string topic, std::string payload, bool retain) override {
    Do([session = session_, token, topic = std::move(topic), payload = std::move(payload), retain] {
      session->Publish(token, topic, payload, retain);
    });
  }

  void Subscribe(std::uint64_t token, std::string filter) override {
    Do([session = session_, token, filter = std::move(filter)] { session->Subscribe(token, filter); });
  }

  void Disconnect() override {
    if (!inbox_->release) return;
    core_.thread->PostAlways([session = session_] { session->Close(0); });
  }

 private:
  void Do(std::function<void()> work) {
    if (!inbox_->listener || core_.thread->Post(std::move(work))) return;
    ++core_.queue_full;
    inbox_->PostEnd({Failure::Kind::kNetwork, 0, "the MQTT thread does not keep up"});
  }

  Core& core_;
  const std::shared_ptr<Inbox> inbox_;
  const std::shared_ptr<PahoSession> session_;
};

class Transports : public PahoTransport {
 public:
  Transports(EventLoop& loop, Resolver::Lookup lookup) : loop_(loop), resolver_(loop, std::move(lookup)) {
    core_.thread = std::make_unique<WorkThread>("mqtt", kMaxQueuedCommands);
    core_.thread->PostAlways([this] {
      MQTTAsync_create(&core_.anchor, "tcp://localhost:1", "anchor", MQTTCLIENT_PERSISTENCE_NONE, nullptr);
    });
  }

  ~Transports() override {
    core_.thread->PostAlways([this] {
      while (!core_.sessions.empty()) (*core_.sessions.begin())->Destroy();
      MQTTAsync_destroy(&core_.anchor);
    });
    core_.thread->Finish();
  }

  std::unique_ptr<Connection> Connect(ConnectOptions options, Listener& listener) override;
  void CheckCredentials(ConnectOptions options, std::function<void(Status)> done) override;
  Stats stats() const override {
    return {core_.connects, core_.queue_full, core_.inbound_overflow, core_.acks_withheld, core_.session_count};
  }
  void Probe(std::function<void()> answer) override {
    core_.thread->Post([&loop = loop_, weak = std::weak_ptr(alive_), answer = std::move(answer)] {
      loop.Post([weak, answer] {
        if (!weak.expired()) answer();
      });
    });
  }

 private:
  void CheckThenResolve(const std::shared_ptr<PahoSession>& session);
  void Resolve(const std::shared_ptr<PahoSession>& session);

  EventLoop& loop_;
  Resolver resolver_;
  std::size_t next_address_ = 0;  // a name with several addresses: each attempt takes the next
  Core core_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

std::unique_ptr<Connection> Transports::Connect(ConnectOptions options, Listener& listener) {
  const auto inbox = std::make_shared<Inbox>(loop_);
  inbox->listener = &listener;
  const Duration timeout = options.connect_timeout;
  const auto session = std::make_shared<PahoSession>(core_, inbox, std::move(options));
  inbox->release = [this, session](bool destroyed) {
    if (destroyed) return;
    core_.thread->PostAlways([session] { session->Close(kDisconnectWithWill); });
  };
  inbox->deadline = loop_.After(timeout, [weak = std::weak_ptr(inbox), host = session->options().host] {
    const auto self = weak.lock();
    if (!self) return;
    self->resolving ? self->End({Failure::Kind::kName, 0, "the name service does not answer for " + host})
                    : self->End({Failure::Kind::kNetwork, 0, "no answer from " + host + " within the connect timeout"});
  });
  CheckThenResolve(session);
  return std::make_unique<PahoConnection>(core_, inbox, session);
}

// Why these credentials cannot work, or nullopt; oddities that work are told once. MQTT thread.
std::optional<Failure> CredentialTrouble(const ConnectOptions& options, std::set<std::string>& warned) {
  const auto unusable = [](std::string message) { return Failure{Failure::Kind::kCredentials, 0, std::move(message)}; };
  if (!options.root_ca.empty()) {
    if (const auto finding = InspectRootCertificates(options.root_ca)) return unusable(finding->message);
  }
  const CredentialFacts facts = InspectCredentials(options.certificate, options.private_key, std::time(nullptr));
  if (const Status usable = facts.Usable(); !usable) return unusable(usable.error().message);
  for (const CredentialFinding& finding : facts.findings) {
    if (warned.insert(finding.message).second) log::Warning("mqtt.credentials", finding.message);
  }
  return std::nullopt;
}

void Transports::CheckThenResolve(const std::shared_ptr<PahoSession>& session) {
  const bool queued = core_.thread->Post([this, session] {
    if (auto trouble = CredentialTrouble(session->options(), core_.warned)) {
      return session->inbox().PostEnd(std::move(*trouble));
    }
    session->inbox().Post([this, session](Inbox&) { Resolve(session); });
  });
  if (!queued) {
    ++core_.queue_full;
    session->inbox().PostEnd({Failure::Kind::kNetwork, 0, "the MQTT thread does not keep up"});
  }
}

void Transports::CheckCredentials(ConnectOptions options, std::function<void(Status)> done) {
  const auto answer = [&loop = loop_, weak = std::weak_ptr(alive_), done = std::move(done)](Status status) {
    loop.Post([weak, done, status = std::move(status)] {
      if (!weak.expired()) done(status);
    });
  };
  const bool queued = core_.thread->Post([this, options = std::move(options), answer] {
    const auto trouble = CredentialTrouble(options, core_.warned);
    answer(trouble ? Status(Fail(Action::kFixConfig, trouble->message)) : Status());
  });
  if (!queued) {
    ++core_.queue_full;
    answer(Fail(Action::kRetry, "the MQTT thread does not keep up"));
  }
}

void Transports::Resolve(const std::shared_ptr<PahoSession>& session) {
  resolver_.Resolve(session->options().host, [this, session](const Result<Addresses>& found) {
    Inbox& inbox = session->inbox();
    if (!inbox.listener) return;
    if (!found) return inbox.End({Failure::Kind::kName, 0, found.error().message});
    inbox.resolving = false;
    const std::string& address = (*found)[next_address_++ % found->size()];
    core_.thread->PostAlways([session, address] { session->Start(address); });
  });
}

}  // namespace

std::unique_ptr<PahoTransport> PahoTransport::Create(EventLoop& loop, Resolver::Lookup lookup) {
  return std::make_unique<Transports>(loop, std::move(lookup));
}

}  // namespace penumbra::mqtt
