// The stand-in cloud as a whole: certificates, broker, fault proxy, recorder and services, and the commands that steer
// them. A gateway connects to port() and sees AWS IoT Core as far as MQTT, policies and the hosted services go.
//
// Known differences from AWS, because mosquitto decides and not we: SUBSCRIBE is always granted and only delivery is
// refused; a denied publish over 3.1.1 is acknowledged before the connection is closed; a client id that iot:Connect
// does not allow is closed just after CONNACK instead of before; `a/#` also matches `a`; QoS 2 works.
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
#include "iotcore/fault_proxy.hpp"
#include "iotcore/pki.hpp"
#include "iotcore/policy.hpp"
#include "iotcore/recorder.hpp"
#include "iotcore/service.hpp"

namespace penumbra::iotcore {

class IotCore {
 public:
  struct Options {
    std::filesystem::path folder;  // everything it writes; made when missing
    std::vector<std::string> things;
    std::vector<std::string> server_names;  // of the server certificate, beside localhost
    std::string policy;                     // the AWS policy document that every thing's certificate has
    std::uint16_t port = 0;                 // where gateways connect; 0: a free one
    std::filesystem::path record;           // JSON lines of every message; empty: none
  };
  static constexpr std::size_t kMaxConnectTimes = 100'000;
  static constexpr std::size_t kMaxDenials = 1000;

  // Errors: kFixConfig (policy, mosquitto missing, path), kFatal.
  static Result<std::unique_ptr<IotCore>> Create(boost::asio::io_context& context, Options options,
                                                 std::vector<std::unique_ptr<Service>> services);
  ~IotCore();

  // Starts the broker; `ready` once recorder and services are subscribed and the proxy listens, or with the error.
  void Start(std::function<void(Status)> ready);

  // One control command. See Usage().
  Result<Json> Command(const std::vector<std::string>& words);
  static std::string Usage();

  // {"port","broker_port","root_ca","credentials","folder"}: what a gateway's configuration needs.
  Json Info() const;

 private:
  struct Hosted;
  using Words = std::vector<std::string>;

  IotCore(boost::asio::io_context& context, Options options, Policy policy, std::unique_ptr<Pki> pki,
          std::vector<std::unique_ptr<Service>> services);
  Status StartBroker();
  void StopBroker();
  void OnSubscribed();
  void OnBrokerExit();
  void OnBrokerLog(std::string_view line);
  void OnConnected(const std::string& client_id, const std::string& thing, std::uint16_t port, int protocol);
  void Publish(const std::vector<Message>& messages);
  void Arm(Hosted& hosted);

  Result<Json> Network(const Words& words);
  Result<Json> BrokerCommand(const Words& words);
  Result<Json> Records(const Words& words);
  Result<Json> Things(const Words& words);
  Json Connections(bool with_times) const;

  boost::asio::io_context& context_;
  const Options options_;
  const Policy policy_;
  const std::unique_ptr<Pki> pki_;
  Recorder recorder_;
  std::unique_ptr<Broker> broker_;
  std::unique_ptr<FaultProxy> proxy_;
  std::unique_ptr<BrokerLink> recorder_link_;
  std::vector<std::unique_ptr<Hosted>> services_;
  std::function<void(Status)> ready_;
  boost::asio::steady_timer restart_;
  bool cut_on_purpose_ = false;

  struct Connects {
    std::uint64_t count = 0;
    int protocol = 0;
    std::uint16_t peer_port = 0;
    std::int64_t last_ms = 0;
  };
  std::map<std::string, Connects> connects_;
  std::deque<std::int64_t> connect_times_ms_, last_second_;
  std::size_t connects_per_second_max_ = 0;
  std::uint64_t refused_connects_ = 0, denied_publishes_ = 0;
  std::deque<std::string> denials_;
};

}  // namespace penumbra::iotcore
