// The stand-in's front door: ends TLS, knows each certificate, and judges every packet as AWS IoT Core does before the
// broker sees it. Behind it mosquitto only routes; before it the fault proxy is the network.
//
// What it decides: a certificate that is not active fails in TLS; a CONNECT, PUBLISH, SUBSCRIBE or delivery that the
// certificate's policy does not allow is answered as AWS answers it, in MQTT 3.1.1 by closing, in MQTT 5 with a reason
// code; QoS 2, RETAIN on $aws topics, more than 128 KB, more than 8 filters are refused. On command it loses, delays,
// doubles and reorders PUBACKs.
// Deliberately not here: rates and numbers of subscriptions are counted by nobody; "a/#" also matches "a", as in MQTT.
// One thread (the io_context's). Source: aws-iot-core.md sections 1, 2 and 9.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"
#include "iotcore/lifecycle.hpp"

namespace penumbra::iotcore {

// One connection, as far as it has said who it is.
struct Peer {
  std::string certificate;  // id: SHA-256 of the certificate
  std::string client_id;
  int level = 4;                 // MQTT protocol level
  std::uint64_t connection = 0;  // another number for each
};

// Who decides. Called on the loop.
class Guard {
 public:
  virtual ~Guard() = default;
  virtual bool MayUse(const std::string& certificate) = 0;
  // `resource` as in a policy, without the ARN's head: "client/ID", "topic/T", "topicfilter/F".
  virtual bool Allows(std::string_view action, const std::string& resource, const Peer& peer) = 0;
  virtual void OnDenied(std::string_view action, const std::string& resource, const Peer& peer) = 0;
  virtual void OnConnected(const Peer& peer) = 0;  // the broker accepted it
  // The end of one that was.
  virtual void OnDisconnected(const Peer& peer, EndReason reason) = 0;
  virtual void OnSubscribed(const Peer& peer, const std::vector<std::string>& filters) = 0;
};

struct PubackFaults {
  std::size_t drop = 0;       // so many of the next ones never come
  std::size_t duplicate = 0;  // so many of the next ones come twice
  std::size_t reorder = 0;    // so many of the next ones of one connection come in reverse, when they are all there or
                              // after kReorderLimit
  std::chrono::milliseconds delay{0};  // every one
};

class Front {
 public:
  struct Options {
    std::filesystem::path root_ca, certificate, key;
    std::filesystem::path broker;  // its Unix socket
  };
  static constexpr std::size_t kMaxFilters = 8, kMaxPayload = 128 * 1024, kMaxTopic = 256, kMaxSlashes = 7;
  static constexpr std::size_t kMaxClientId = 128;
  static constexpr std::size_t kMaxQueued = 8u << 20;  // bytes towards one side; above it the other side is not read
  static constexpr std::chrono::seconds kHandshakeLimit{10};
  static constexpr std::chrono::milliseconds kReorderLimit{1000};

  // Listens on 127.0.0.1, on a free port. Errors: kFatal (the files, the port).
  static Result<std::unique_ptr<Front>> Create(boost::asio::io_context& context, const Options& options, Guard& guard);
  ~Front();

  std::uint16_t port() const { return port_; }
  // Closes the connections of a certificate; answers how many.
  std::size_t CloseCertificate(const std::string& certificate);
  PubackFaults& pubacks() { return faults_; }
  // How a SUBSCRIBE that is denied ends in MQTT 3.1.1: closed (what most have seen) or SUBACK 0x80.
  void CloseOnDeniedSubscribe(bool close) { close_on_denied_subscribe_ = close; }

  // {"connections","refused_tls","refused_connects","denied_publishes","denied_subscribes","withheld_deliveries",
  //  "protocol_errors","pubacks":{"dropped","duplicated","delayed","reordered"}}
  Json Statistics() const;

 private:
  class Session;
  Front(boost::asio::io_context& context, const Options& options, Guard& guard);
  Status Listen();
  void Accept();

  struct Counters {
    std::uint64_t refused_tls = 0, refused_connects = 0, denied_publishes = 0, denied_subscribes = 0;
    std::uint64_t withheld_deliveries = 0, protocol_errors = 0;
    std::uint64_t pubacks_dropped = 0, pubacks_duplicated = 0, pubacks_delayed = 0, pubacks_reordered = 0;
  };

  boost::asio::io_context& context_;
  const Options options_;
  Guard& guard_;
  boost::asio::ssl::context tls_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::uint16_t port_ = 0;
  std::set<std::shared_ptr<Session>> sessions_;
  PubackFaults faults_;
  std::uint64_t next_connection_ = 1;
  bool close_on_denied_subscribe_ = true;
  Counters counters_;
};

}  // namespace penumbra::iotcore
