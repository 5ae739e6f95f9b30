// A bare MQTT 3.1.1 client over TLS for tests of the stand-in: blocking calls, each with a hard limit. It shares the
// packet code with the stand-in but nothing with the daemon. One thread.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <chrono>
#include <deque>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "iotcore/mqtt_packet.hpp"
#include "iotcore/service.hpp"

namespace penumbra::test {

class MqttClient {
 public:
  static constexpr std::chrono::seconds kLimit{60};

  // Connects to localhost:`port` with <credentials>/<thing>.pem.crt and .pem.key, client id = thing, clean session.
  // Every call throws std::runtime_error where the server refuses, closes or lets the limit pass.
  MqttClient(std::uint16_t port, const std::filesystem::path& root_ca, const std::filesystem::path& credentials,
             const std::string& thing);

  void Subscribe(const std::vector<std::string>& filters);  // QoS 1; returns after SUBACK
  // QoS 1, all in one write. Does not wait for the PUBACKs: what is answered has arrived.
  void Publish(const std::vector<iotcore::Message>& messages);
  // The next message, in the order of arrival; each is acknowledged.
  iotcore::Message Receive();

 private:
  void Await(const std::function<bool()>& done);
  void Write(const std::string& bytes);
  void ReadSome();
  void OnPacket(const iotcore::Packet& packet);

  boost::asio::io_context context_;
  boost::asio::ssl::context tls_;
  boost::asio::ssl::stream<boost::asio::ip::tcp::socket> stream_;
  std::array<char, 65536> buffer_;
  iotcore::PacketReader reader_;
  std::deque<iotcore::Message> messages_;
  std::string acks_;
  int connack_ = -1;
  int subacks_ = 0;
  std::uint16_t next_id_ = 1;
};

}  // namespace penumbra::test
