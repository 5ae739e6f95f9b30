// The stand-in cloud as a whole: certificates, front, broker, fault proxy, recorder and services, and the commands that
// steer them. A gateway connects to port() and sees AWS IoT Core as far as MQTT, policies and the hosted services go.
//
// The way of a packet: fault proxy (the network) -> front (TLS, certificates, policies) -> mosquitto (routing).
// Known differences from AWS: `a/#` also matches `a`; no limit of publishes a second or of subscriptions; answers of
// services go to their topic and so to every subscriber that may receive it.
// One thread (the io_context's). Source: aws-iot-core.md sections 1, 2, 9.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"
#include "iotcore/broker.hpp"
#include "iotcore/broker_link.hpp"
#include "iotcore/certificates.hpp"
#include "iotcore/fault_proxy.hpp"
#include "iotcore/front.hpp"
#include "iotcore/lifecycle.hpp"
#include "iotcore/pki.hpp"
#include "iotcore/policy.hpp"
#include "iotcore/recorder.hpp"
#include "iotcore/service.hpp"

namespace penumbra::iotcore {

class IotCore : private Guard {
 public:
  struct Options {
    std::filesystem::path folder;  // everything it writes; made when missing
    std::vector<std::string> things;
    std::vector<std::string> server_names;  // of the server certificate, beside localhost
    std::vector<std::string> claims;        // names of claim certificates for fleet provisioning
    std::string policy;                     // the AWS policy document that every thing's certificate has
    std::string claim_policy;               // and the one that claim certificates have
    std::uint16_t port = 0;                 // where gateways connect; 0: a free one
    std::filesystem::path record;           // JSON lines of every message; empty: none
  };
  static constexpr std::size_t kMaxConnectTimes = 100'000;
  static constexpr std::size_t kMaxDenials = 1000;

  using Services = std::vector<std::unique_ptr<Service>>;
  // Makes the services; what they are given outlives them.
  using MakeServices = std::function<Services(CertificateRegistry& registry, CertificateOffice& office)>;
  // Errors: kFixConfig (policies, names, path), kFatal.
  static Result<std::unique_ptr<IotCore>> Create(boost::asio::io_context& context, Options options,
                                                 const MakeServices& make_services);
  ~IotCore() override;

  // Starts the broker; `ready` once recorder and services are subscribed and the proxy listens, or with the error.
  void Start(std::function<void(Status)> ready);

  // One control command. See Usage().
  Result<Json> Command(const std::vector<std::string>& words);
  static std::string Usage();

  // {"port","root_ca","credentials","folder"}: what a gateway's configuration needs.
  Json Info() const;

 private:
  struct Hosted;
  using Words = std::vector<std::string>;

  IotCore(boost::asio::io_context& context, Options options, Policy policy, Policy claim_policy,
          std::unique_ptr<Pki> pki);
  void Host(Services services);
  Status Issue(const std::string& name, CertificateRole role);
  Status StartBroker();
  void StopBroker();
  void OnSubscribed();
  void OnBrokerExit();
  void OnEveryMessage(std::string_view topic, std::string_view payload);

  bool MayUse(const std::string& certificate) override;
  bool Allows(std::string_view action, const std::string& resource, const Peer& peer) override;
  void OnDenied(std::string_view action, const std::string& resource, const Peer& peer) override;
  void OnConnected(const Peer& peer) override;
  void OnDisconnected(const Peer& peer, EndReason reason) override;
  void OnSubscribed(const Peer& peer, const std::vector<std::string>& filters) override;
  void Tell(const std::optional<Message>& event);

  void Publish(const std::vector<Message>& messages);
  void Arm(Hosted& hosted);

  Result<Json> Network(const Words& words);
  Result<Json> BrokerCommand(const Words& words);
  Result<Json> Records(const Words& words);
  Result<Json> Things(const Words& words);
  Result<Json> Pubacks(const Words& words);
  // A policy and how often each of its grants, as Policy::Grants() writes them, was needed.
  struct PolicyInForce {
    Policy policy;
    std::map<std::string, std::uint64_t> used;
  };
  static Json UseOf(const PolicyInForce& in_force);
  static Result<Json> PutInForce(const std::string& file, PolicyInForce& in_force);
  Json Connections(bool with_times) const;

  boost::asio::io_context& context_;
  const Options options_;
  PolicyInForce devices_, claims_;
  const std::unique_ptr<Pki> pki_;
  CertificateRegistry registry_;
  Recorder recorder_;
  std::unique_ptr<Broker> broker_;
  std::unique_ptr<Front> front_;
  std::unique_ptr<FaultProxy> proxy_;
  std::unique_ptr<BrokerLink> recorder_link_;
  std::vector<std::unique_ptr<Hosted>> services_;
  std::function<void(Status)> ready_;
  boost::asio::steady_timer restart_;
  bool cut_on_purpose_ = false;

  struct Connects {
    std::uint64_t count = 0;
    int protocol = 0;
    std::int64_t last_ms = 0;
  };
  std::map<std::string, Connects> connects_;
  Lifecycle lifecycle_;
  std::deque<std::int64_t> connect_times_ms_, last_second_;
  std::size_t connects_per_second_max_ = 0;
  std::deque<std::string> denials_;
};

}  // namespace penumbra::iotcore
