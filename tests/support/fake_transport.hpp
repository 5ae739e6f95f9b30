// A fake MQTT server for unit tests on a VirtualLoop: the Transport interface, and behind it a broker that answers as
// told. By default it accepts every connect and acknowledges every publish and subscribe after `latency`.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "event/loop.hpp"
#include "mqtt/transport.hpp"

namespace penumbra::test {

class FakeTransport : public mqtt::Transport {
 public:
  struct Published {
    BootTime at;
    std::string client_id;
    std::string topic;
    std::string payload;
    bool retain = false;
  };
  struct Connected {
    BootTime at;
    mqtt::ConnectOptions options;
  };

  explicit FakeTransport(EventLoop& loop) : loop_(loop) {}

  // How the broker behaves; change it at any time.
  bool reachable = true;     // else connects fail with kNetwork
  bool acknowledges = true;  // else publishes stay unanswered
  bool answers_subscribe = true;
  bool answers_connect = true;  // else nothing happens until the connect timeout (not simulated)
  Duration latency = std::chrono::milliseconds(5);
  mqtt::Session session;
  std::optional<mqtt::Failure> refuse_connect;                                          // answered to every connect
  std::function<std::optional<mqtt::Failure>(const mqtt::ConnectOptions&)> on_connect;  // the same, per connect
  // PUBACK code for a topic; -1: the server closes the connection instead (3.1.1); below: with that reason, negated
  // (5).
  std::function<int(const std::string& client_id, const std::string& topic)> puback;
  std::function<int(const Published& message)> judge;    // the same, by the whole message; kSilence: no answer
  std::function<int(const std::string& filter)> suback;  // the same for a filter
  static constexpr int kSilence = -1000;

  // What happened.
  std::vector<Connected> connects;
  std::vector<Published> published;                             // as they arrived, acknowledged or not
  std::vector<std::pair<std::string, std::string>> subscribed;  // client id, filter
  std::vector<std::string> disconnects;                         // client ids that said DISCONNECT
  int max_in_flight = 0;                                        // of any one connection
  int max_in_flight_total = 0;

  std::function<Status()> credentials;  // what is wrong with whatever files there are; none: nothing

  std::unique_ptr<mqtt::Connection> Connect(mqtt::ConnectOptions options, mqtt::Listener& listener) override;
  void CheckCredentials(mqtt::ConnectOptions, std::function<void(Status)> done) override {
    checks_.push_back(
        loop_.After(latency, [this, done = std::move(done)] { done(credentials ? credentials() : Status()); }));
  }

  // The broker goes away: every connection is closed.
  void CloseAll(const std::string& why = "closed");
  void Close(const std::string& client_id, int reason = 0);
  void Deliver(const std::string& client_id, const std::string& topic, const std::string& payload,
               bool retained = false, std::shared_ptr<mqtt::PendingAck> ack = nullptr);
  std::size_t online() const {
    return static_cast<std::size_t>(std::count_if(open_.begin(), open_.end(), [](const auto* c) { return c->up; }));
  }

 private:
  struct FakeConnection : mqtt::Connection {
    FakeConnection(FakeTransport& t, mqtt::ConnectOptions o, mqtt::Listener& l)
        : transport(t), options(std::move(o)), listener(&l) {
      transport.open_.push_back(this);
    }
    ~FakeConnection() override {
      *alive = false;
      transport.total_in_flight_ -= in_flight;
      std::erase(transport.open_, this);
    }
    void Publish(std::uint64_t token, std::string topic, std::string payload, bool retain) override;
    void Subscribe(std::uint64_t token, std::string filter) override;
    void Disconnect() override {
      Later([this] {
        transport.disconnects.push_back(options.client_id);
        Down({mqtt::Failure::Kind::kLocal, 0, "closed by us"});
      });
    }
    // Runs `what` after the latency, if the connection still is.
    void Later(std::function<void()> what) {
      pending.push_back(transport.loop_.After(transport.latency, [token = alive, what = std::move(what)] {
        if (*token) what();
      }));
      if (pending.size() > 1000) pending.erase(pending.begin(), pending.begin() + 500);
    }
    void Down(const mqtt::Failure& failure) {
      up = false;
      mqtt::Listener* const to = std::exchange(listener, nullptr);
      if (to) to->OnDown(failure);
    }

    FakeTransport& transport;
    const mqtt::ConnectOptions options;
    mqtt::Listener* listener;
    bool up = false;
    int in_flight = 0;
    std::deque<SubscriptionPtr> pending;
    std::shared_ptr<bool> alive = std::make_shared<bool>(true);
  };

  EventLoop& loop_;
  std::vector<FakeConnection*> open_;
  int total_in_flight_ = 0;
  std::deque<SubscriptionPtr> checks_;
};

inline std::unique_ptr<mqtt::Connection> FakeTransport::Connect(mqtt::ConnectOptions options,
                                                                mqtt::Listener& listener) {
  connects.push_back({loop_.Now(), options});
  auto connection = std::make_unique<FakeConnection>(*this, options, listener);
  if (!answers_connect) return connection;
  connection->Later([this, c = connection.get()] {
    auto failure = on_connect ? on_connect(c->options) : refuse_connect;
    if (!reachable) failure = mqtt::Failure{mqtt::Failure::Kind::kNetwork, 0, "connection refused"};
    if (failure) return c->Down(*failure);
    c->up = true;
    c->listener->OnConnected(session);
  });
  return connection;
}

inline void FakeTransport::FakeConnection::Publish(std::uint64_t token, std::string topic, std::string payload,
                                                   bool retain) {
  transport.published.push_back({transport.loop_.Now(), options.client_id, topic, std::move(payload), retain});
  transport.max_in_flight = std::max(transport.max_in_flight, ++in_flight);
  transport.max_in_flight_total = std::max(transport.max_in_flight_total, ++transport.total_in_flight_);
  if (!transport.acknowledges) return;
  Later([this, token, message = transport.published.back()] {
    if (!listener) return;
    int code = transport.puback ? transport.puback(options.client_id, message.topic) : 0;
    if (transport.judge) code = transport.judge(message);
    if (code == kSilence) return;
    if (code < 0) return Down({mqtt::Failure::Kind::kClosed, code == -1 ? 0 : -code, "closed by the server"});
    --in_flight;
    --transport.total_in_flight_;
    listener->OnPublished(token, {code});
  });
}

inline void FakeTransport::FakeConnection::Subscribe(std::uint64_t token, std::string filter) {
  transport.subscribed.emplace_back(options.client_id, filter);
  if (!transport.answers_subscribe) return;
  Later([this, token, filter] {
    if (!listener) return;
    const int code = transport.suback ? transport.suback(filter) : 1;
    if (code < 0) return Down({mqtt::Failure::Kind::kClosed, code == -1 ? 0 : -code, "closed by the server"});
    listener->OnSubscribed(token, {code});
  });
}

inline void FakeTransport::CloseAll(const std::string& why) {
  const auto open = open_;
  for (FakeConnection* connection : open) {
    if (std::find(open_.begin(), open_.end(), connection) == open_.end()) continue;
    connection->Down({mqtt::Failure::Kind::kClosed, 0, why});
  }
}

inline void FakeTransport::Close(const std::string& client_id, int reason) {
  const auto open = open_;
  for (FakeConnection* connection : open) {
    if (connection->options.client_id == client_id) {
      connection->Down({mqtt::Failure::Kind::kClosed, reason, "closed by the server"});
    }
  }
}

inline void FakeTransport::Deliver(const std::string& client_id, const std::string& topic, const std::string& payload,
                                   bool retained, std::shared_ptr<mqtt::PendingAck> ack) {
  const auto open = open_;
  for (FakeConnection* connection : open) {
    if (connection->options.client_id == client_id && connection->up)
      connection->listener->OnMessage({topic, payload, retained, ack});
  }
}

}  // namespace penumbra::test
