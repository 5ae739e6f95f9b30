#include "iotcore/front.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "iotcore/mqtt_inspect.hpp"
#include "iotcore/pki.hpp"

namespace penumbra::iotcore {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::local::stream_protocol;
using boost::system::error_code;

namespace {

// Reason codes of MQTT 5.
constexpr std::uint8_t kClientIdInvalid = 0x85, kNotAuthorized = 0x87, kTopicInvalid = 0x90, kTooLarge = 0x95,
                       kQuotaExceeded = 0x97, kRetainRefused = 0x9A, kQosRefused = 0x9B, kMalformed = 0x81;
constexpr std::uint8_t kSubackFailure = 0x80;  // MQTT 3.1.1

bool IsReserved(std::string_view topic) {
  return topic.starts_with("$aws/");
}

}  // namespace

// One connection from TLS to the broker and back. `front_` is cleared by Close, and every handler looks at it first.
class Front::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(Front& front, tcp::socket socket)
      : front_(&front),
        client_(std::move(socket), front.tls_),
        broker_(front.context_),
        handshake_limit_(front.context_),
        puback_timer_(front.context_) {
    peer_.connection = front.next_connection_++;
  }

  const Peer& peer() const { return peer_; }
  // Why it will have ended, unless a reason is known already.
  void Blame(EndReason reason) {
    if (!end_reason_) end_reason_ = reason;
  }

  void Start() {
    error_code ignored;
    client_.next_layer().set_option(tcp::no_delay(true), ignored);
    handshake_limit_.expires_after(kHandshakeLimit);
    handshake_limit_.async_wait([self = shared_from_this()](const error_code& error) {
      if (!error && self->front_ != nullptr) self->Remove();
    });
    client_.async_handshake(asio::ssl::stream_base::server, [self = shared_from_this()](const error_code& error) {
      if (self->front_ != nullptr) self->OnHandshake(error);
    });
  }

  void Close() {
    Front* const front = std::exchange(front_, nullptr);
    if (std::exchange(connected_, false)) {
      front->guard_.OnDisconnected(peer_, end_reason_.value_or(EndReason::kServerInitiated));
    }
    error_code ignored;
    client_.next_layer().close(ignored);
    broker_.close(ignored);
    handshake_limit_.cancel();
    puback_timer_.cancel();
  }

 private:
  // Bytes on their way to one side: one write at a time, what comes meanwhile waits.
  struct Outbox {
    std::string waiting, sending;
    std::size_t size() const { return waiting.size() + sending.size(); }
  };

  void OnHandshake(const error_code& error) {
    if (error) {
      ++front_->counters_.refused_tls;
      log::Info("front.tls_refused", error.message());
      return Remove();
    }
    X509* const certificate = SSL_get1_peer_certificate(client_.native_handle());
    peer_.certificate = certificate != nullptr ? CertificateId(certificate) : "";
    X509_free(certificate);
    broker_.async_connect(stream_protocol::endpoint(front_->options_.broker.string()),
                          [self = shared_from_this()](const error_code& failed) {
                            if (self->front_ == nullptr) return;
                            if (failed) return self->Remove();
                            self->ReadClient();
                            self->ReadBroker();
                          });
  }

  void ReadClient() {
    if (reading_client_ || ending_ || to_broker_.size() > kMaxQueued) return;
    reading_client_ = true;
    client_.async_read_some(asio::buffer(up_), [self = shared_from_this()](const error_code& error, std::size_t size) {
      if (self->front_ == nullptr) return;
      self->reading_client_ = false;
      if (error) return self->ClientGone();
      const bool whole =
          self->up_reader_.Feed({self->up_.data(), size}, [&self](const Packet& packet) { self->Up(packet); });
      if (self->front_ == nullptr) return;
      if (!whole) self->Refuse(kTooLarge);
      self->Flush();
      self->ReadClient();
    });
  }

  void ReadBroker() {
    if (reading_broker_ || to_client_.size() > kMaxQueued) return;
    reading_broker_ = true;
    broker_.async_read_some(
        asio::buffer(down_), [self = shared_from_this()](const error_code& error, std::size_t size) {
          if (self->front_ == nullptr) return;
          self->reading_broker_ = false;
          if (error) return self->End();
          self->down_reader_.Feed({self->down_.data(), size}, [&self](const Packet& packet) { self->Down(packet); });
          if (self->front_ == nullptr) return;
          self->Flush();
          self->ReadBroker();
        });
  }

  void Flush() {
    if (mute_ || client_gone_) {
      to_client_.waiting.clear();
    } else {
      Write(client_, to_client_, [](Session& self) { self.ReadBroker(); });
    }
    if (front_ != nullptr) Write(broker_, to_broker_, [](Session& self) { self.ReadClient(); });
    if (front_ == nullptr || to_broker_.size() > 0) return;
    if (client_gone_ || (ending_ && to_client_.size() == 0)) Remove();
  }

  template <typename Stream, typename Resume>
  void Write(Stream& stream, Outbox& outbox, Resume resume) {
    if (!outbox.sending.empty() || outbox.waiting.empty()) return;
    outbox.sending.swap(outbox.waiting);
    asio::async_write(stream, asio::buffer(outbox.sending),
                      [self = shared_from_this(), &outbox, resume](const error_code& error, std::size_t) {
                        if (self->front_ == nullptr) return;
                        outbox.sending.clear();
                        if (error && &outbox == &self->to_broker_) return self->Remove();
                        if (error) self->mute_ = true;  // what it has sent before may still have to be read
                        self->Flush();
                        if (self->front_ != nullptr) resume(*self);
                      });
  }

  // What it has sent still reaches the broker: without its DISCONNECT the broker would publish the will.
  void ClientGone() {
    Blame(EndReason::kConnectionLost);
    client_gone_ = true;
    Flush();
  }

  // What is under way to the client still goes out; nothing more is taken from it.
  void End() {
    ending_ = true;
    Flush();
  }

  // Ends a session that broke a rule: MQTT 5 is told why, 3.1.1 sees the connection close.
  void Refuse(std::uint8_t code) {
    Blame(EndReason::kClientError);
    ++front_->counters_.protocol_errors;
    if (connected_ && peer_.level >= kMqtt5) to_client_.waiting += EncodeDisconnect(code);
    ending_ = true;
  }

  void Deny(std::string_view action, const std::string& resource) { front_->guard_.OnDenied(action, resource, peer_); }

  bool May(std::string_view action, const std::string& resource) {
    if (front_->guard_.Allows(action, resource, peer_)) return true;
    Deny(action, resource);
    return false;
  }

  // From the client.
  void Up(const Packet& packet) {
    if (ending_ || front_ == nullptr) return;
    if (packet.type == PacketType::kConnect) return OnConnect(packet);
    if (!connect_seen_) return Refuse(kMalformed);
    switch (packet.type) {
      case PacketType::kPublish:
        return OnPublish(packet);
      case PacketType::kSubscribe:
        return OnSubscribe(packet);
      case PacketType::kPubrec:
      case PacketType::kPubrel:
      case PacketType::kPubcomp:
      case PacketType::kAuth:
        return Refuse(kQosRefused);
      case PacketType::kDisconnect:
        Blame(EndReason::kClientInitiated);
        [[fallthrough]];
      default:
        to_broker_.waiting += EncodePacket(packet);
    }
  }

  void OnConnect(const Packet& packet) {
    const auto view = InspectConnect(packet);
    if (connect_seen_ || !view) return Refuse(kMalformed);
    connect_seen_ = true;
    handshake_limit_.cancel();
    peer_.client_id = view->client_id;
    peer_.level = view->level;
    std::uint8_t code = 0;
    if (view->client_id.size() > kMaxClientId) {
      code = kClientIdInvalid;
    } else if (!front_->guard_.MayUse(peer_.certificate) || !May("iot:Connect", "client/" + view->client_id) ||
               (view->will_topic && !May("iot:Publish", "topic/" + *view->will_topic)) ||
               (view->will_retain && !May("iot:RetainPublish", "topic/" + *view->will_topic))) {
      code = kNotAuthorized;
    }
    if (code == 0) {
      // The broker ends the one that has this id when it gets this.
      for (const auto& other : front_->sessions_) {
        if (other.get() != this && other->peer().client_id == view->client_id) {
          other->Blame(EndReason::kDuplicateClientId);
        }
      }
      to_broker_.waiting += EncodePacket(packet);
      return;
    }
    ++front_->counters_.refused_connects;
    // What 3.1.1 clients see in the field is the end of the connection without a CONNACK.
    if (view->level >= kMqtt5) to_client_.waiting += EncodeConnackRefused(code, view->level);
    ending_ = true;
  }

  void OnPublish(const Packet& packet) {
    const auto view = InspectPublish(packet, peer_.level);
    if (!view) return Refuse(kMalformed);
    std::string topic = view->topic;
    if (view->alias) {
      if (topic.empty()) topic = aliases_[*view->alias];
      aliases_[*view->alias] = topic;
    }
    if (view->qos == 2) {
      // 3.1.1 is never answered.
      if (peer_.level >= kMqtt5) Refuse(kQosRefused);
      return;
    }
    if (view->payload_bytes > kMaxPayload) return Refuse(kTooLarge);
    if (view->retain && IsReserved(topic)) return Refuse(kRetainRefused);
    const auto slashes = static_cast<std::size_t>(std::count(topic.begin(), topic.end(), '/'));
    const bool too_long = topic.size() > kMaxTopic || (slashes > kMaxSlashes && !IsReserved(topic));
    if (topic.empty() || too_long) return RefusePublish(*view, kTopicInvalid);
    if (!May("iot:Publish", "topic/" + topic) || (view->retain && !May("iot:RetainPublish", "topic/" + topic))) {
      ++front_->counters_.denied_publishes;
      return RefusePublish(*view, kNotAuthorized);
    }
    to_broker_.waiting += EncodePacket(packet);
  }

  void RefusePublish(const PublishView& view, std::uint8_t code) {
    if (peer_.level < kMqtt5) {
      Blame(code == kNotAuthorized ? EndReason::kForbiddenAccess : EndReason::kClientError);
      ending_ = true;
    } else if (view.qos == 1) {
      to_client_.waiting += EncodePubackCode(view.packet_id, code);
    }
  }

  void OnSubscribe(const Packet& packet) {
    const auto view = InspectSubscribe(packet, peer_.level);
    if (!view) return Refuse(kMalformed);
    if (view->filters.size() > kMaxFilters) return Refuse(kQuotaExceeded);
    std::vector<std::uint8_t> codes;
    std::vector<SubscribeView::Filter> allowed;
    for (const auto& filter : view->filters) {
      if ((filter.options & 3) == 2) {
        if (peer_.level >= kMqtt5) Refuse(kQosRefused);
        return;
      }
      const bool may = May("iot:Subscribe", "topicfilter/" + filter.filter);
      codes.push_back(may ? 0 : peer_.level >= kMqtt5 ? kNotAuthorized : kSubackFailure);
      if (may) allowed.push_back(filter);
    }
    if (!allowed.empty()) {
      std::vector<std::string> filters;
      for (const auto& filter : allowed) filters.push_back(filter.filter);
      front_->guard_.OnSubscribed(peer_, filters);
    }
    if (allowed.size() == view->filters.size()) {
      to_broker_.waiting += EncodePacket(packet);
      return;
    }
    front_->counters_.denied_subscribes += view->filters.size() - allowed.size();
    if (peer_.level < kMqtt5 && front_->close_on_denied_subscribe_) {
      Blame(EndReason::kForbiddenAccess);
      ending_ = true;
    } else if (allowed.empty()) {
      to_client_.waiting += EncodeSuback(SubackHead(view->packet_id, peer_.level), codes);
    } else {
      partly_denied_[view->packet_id] = codes;
      to_broker_.waiting += EncodeSubscribe(*view, allowed);
    }
  }

  // From the broker.
  void Down(const Packet& packet) {
    if (front_ == nullptr) return;
    if (packet.type == PacketType::kConnack && packet.body.size() >= 2 && packet.body[1] == 0) {
      connected_ = true;
      front_->guard_.OnConnected(peer_);
    }
    if (packet.type == PacketType::kPublish && !Deliverable(packet)) return;
    if (packet.type == PacketType::kPuback) return OnPuback(EncodePacket(packet));
    if (packet.type == PacketType::kSuback && !partly_denied_.empty()) return OnSuback(packet);
    to_client_.waiting += EncodePacket(packet);
  }

  // A message that the policy does not let it receive is taken off the broker's hands.
  bool Deliverable(const Packet& packet) {
    const auto view = InspectPublish(packet, peer_.level);
    if (!view || front_->guard_.Allows("iot:Receive", "topic/" + view->topic, peer_)) return true;
    Deny("iot:Receive", "topic/" + view->topic);
    ++front_->counters_.withheld_deliveries;
    if (view->qos == 1) to_broker_.waiting += EncodePuback(view->packet_id);
    return false;
  }

  void OnSuback(const Packet& packet) {
    const auto view = InspectSuback(packet, peer_.level);
    const auto denied = view ? partly_denied_.find(view->packet_id) : partly_denied_.end();
    if (denied == partly_denied_.end()) {
      to_client_.waiting += EncodePacket(packet);
      return;
    }
    std::vector<std::uint8_t> codes = denied->second;
    auto granted = view->codes.begin();
    for (std::uint8_t& code : codes) {
      if (code == 0 && granted != view->codes.end()) code = *granted++;
    }
    partly_denied_.erase(denied);
    to_client_.waiting += EncodeSuback(view->head, codes);
  }

  void OnPuback(std::string bytes) {
    PubackFaults& faults = front_->faults_;
    Counters& counters = front_->counters_;
    if (faults.drop > 0) {
      --faults.drop;
      ++counters.pubacks_dropped;
      return;
    }
    if (faults.duplicate > 0) {
      --faults.duplicate;
      ++counters.pubacks_duplicated;
      bytes += bytes;
    }
    if (faults.reorder > 0 || !reversed_.empty()) {
      if (faults.reorder > 0) --faults.reorder;
      ++counters.pubacks_reordered;
      reversed_.insert(reversed_.begin(), std::move(bytes));
      if (faults.reorder > 0) return ArmPubacks(kReorderLimit);
      for (const std::string& held : std::exchange(reversed_, {})) to_client_.waiting += held;
      return;
    }
    if (faults.delay.count() == 0 && delayed_.empty()) {
      to_client_.waiting += bytes;
      return;
    }
    ++counters.pubacks_delayed;
    delayed_.emplace_back(std::chrono::steady_clock::now() + faults.delay, std::move(bytes));
    if (delayed_.size() == 1) ArmPubacks(faults.delay);
  }

  void ArmPubacks(std::chrono::steady_clock::duration wait) {
    puback_timer_.expires_after(wait);
    puback_timer_.async_wait([self = shared_from_this()](const error_code& error) {
      if (!error && self->front_ != nullptr) self->OnPubackTimer();
    });
  }

  void OnPubackTimer() {
    for (const std::string& held : std::exchange(reversed_, {})) to_client_.waiting += held;
    const auto now = std::chrono::steady_clock::now();
    while (!delayed_.empty() && delayed_.front().first <= now) {
      to_client_.waiting += delayed_.front().second;
      delayed_.erase(delayed_.begin());
    }
    if (!delayed_.empty()) ArmPubacks(delayed_.front().first - now);
    Flush();
  }

  void Remove() {
    Front* const front = front_;
    Close();
    front->sessions_.erase(shared_from_this());
  }

  Front* front_;
  asio::ssl::stream<tcp::socket> client_;
  stream_protocol::socket broker_;
  asio::steady_timer handshake_limit_, puback_timer_;
  std::array<char, 16384> up_, down_;
  PacketReader up_reader_, down_reader_;
  Outbox to_client_, to_broker_;
  bool reading_client_ = false, reading_broker_ = false, ending_ = false, connect_seen_ = false, connected_ = false,
       mute_ = false, client_gone_ = false;
  Peer peer_;
  std::optional<EndReason> end_reason_;
  std::map<std::uint16_t, std::string> aliases_;
  std::map<std::uint16_t, std::vector<std::uint8_t>> partly_denied_;  // codes by packet id; 0: asked of the broker
  std::vector<std::string> reversed_;
  std::vector<std::pair<std::chrono::steady_clock::time_point, std::string>> delayed_;
};

Result<std::unique_ptr<Front>> Front::Create(asio::io_context& context, const Options& options, Guard& guard) {
  std::unique_ptr<Front> front(new Front(context, options, guard));
  if (const Status listening = front->Listen(); !listening) return Fail(listening.error());
  return front;
}

Front::Front(asio::io_context& context, const Options& options, Guard& guard)
    : context_(context), options_(options), guard_(guard), tls_(asio::ssl::context::tls_server), acceptor_(context) {}

Front::~Front() {
  *alive_ = false;
  error_code ignored;
  acceptor_.close(ignored);
  for (const auto& session : sessions_) session->Close();
}

Status Front::Listen() {
  error_code error;
  tls_.load_verify_file(options_.root_ca.string(), error);
  if (!error) tls_.use_certificate_chain_file(options_.certificate.string(), error);
  if (!error) tls_.use_private_key_file(options_.key.string(), asio::ssl::context::pem, error);
  SSL_CTX_set_min_proto_version(tls_.native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_session_cache_mode(tls_.native_handle(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(tls_.native_handle(), SSL_OP_NO_TICKET);  // AWS knows no resumption
  tls_.set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
  // A certificate that is not active is refused here, in TLS, as AWS does.
  tls_.set_verify_callback([this](bool good, asio::ssl::verify_context& verify) {
    if (!good || X509_STORE_CTX_get_error_depth(verify.native_handle()) != 0) return good;
    const std::string id = CertificateId(X509_STORE_CTX_get_current_cert(verify.native_handle()));
    if (guard_.MayUse(id)) return true;
    log::Notice("front.certificate_refused", "not active", {{"certificate", id}});
    X509_STORE_CTX_set_error(verify.native_handle(), X509_V_ERR_CERT_REVOKED);
    return false;
  });
  const tcp::endpoint endpoint(asio::ip::address_v4::loopback(), 0);
  if (!error) acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) return Fail(Action::kFatal, fmt::format("the front cannot listen: {}", error.message()));
  port_ = acceptor_.local_endpoint().port();
  Accept();
  return {};
}

void Front::Accept() {
  acceptor_.async_accept([this, alive = alive_](const error_code& error, tcp::socket socket) {
    if (!*alive) return;
    if (!error) {
      const auto session = std::make_shared<Session>(*this, std::move(socket));
      sessions_.insert(session);
      session->Start();
    }
    Accept();
  });
}

std::size_t Front::CloseCertificate(const std::string& certificate) {
  std::size_t closed = 0;
  for (auto it = sessions_.begin(); it != sessions_.end();) {
    const auto session = *it;
    if (session->peer().certificate != certificate) {
      ++it;
      continue;
    }
    session->Blame(EndReason::kAuthError);
    session->Close();
    it = sessions_.erase(it);
    ++closed;
  }
  return closed;
}

Json Front::Statistics() const {
  const Counters& c = counters_;
  return {{"connections", sessions_.size()},
          {"refused_tls", c.refused_tls},
          {"refused_connects", c.refused_connects},
          {"denied_publishes", c.denied_publishes},
          {"denied_subscribes", c.denied_subscribes},
          {"withheld_deliveries", c.withheld_deliveries},
          {"protocol_errors", c.protocol_errors},
          {"pubacks",
           {{"dropped", c.pubacks_dropped},
            {"duplicated", c.pubacks_duplicated},
            {"delayed", c.pubacks_delayed},
            {"reordered", c.pubacks_reordered}}}};
}

}  // namespace penumbra::iotcore
