#include "component/iotcore/mqtt_client.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <stdexcept>

namespace penumbra::test {

namespace asio = boost::asio;
using boost::system::error_code;
using iotcore::Packet;
using iotcore::PacketType;

namespace {

asio::ssl::context ClientContext(const std::filesystem::path& root_ca, const std::filesystem::path& credentials,
                                 const std::string& thing) {
  asio::ssl::context tls(asio::ssl::context::tls_client);
  tls.load_verify_file(root_ca);
  tls.set_verify_mode(asio::ssl::verify_peer);
  tls.set_verify_callback(asio::ssl::host_name_verification("localhost"));
  tls.use_certificate_chain_file(credentials / (thing + ".pem.crt"));
  tls.use_private_key_file(credentials / (thing + ".pem.key"), asio::ssl::context::pem);
  return tls;
}

}  // namespace

MqttClient::MqttClient(std::uint16_t port, const std::filesystem::path& root_ca,
                       const std::filesystem::path& credentials, const std::string& thing)
    : tls_(ClientContext(root_ca, credentials, thing)), stream_(context_, tls_) {
  stream_.next_layer().connect({asio::ip::address_v4::loopback(), port});
  stream_.next_layer().set_option(asio::ip::tcp::no_delay(true));
  bool shaken = false;
  error_code failed;
  stream_.async_handshake(asio::ssl::stream_base::client, [&shaken, &failed](const error_code& error) {
    shaken = true;
    failed = error;
  });
  context_.restart();
  context_.run_for(kLimit);
  if (!shaken || failed) throw std::runtime_error("TLS handshake: " + failed.message());
  Write(iotcore::EncodeConnect(thing, 60));
  Await([this] { return connack_ >= 0; });
  if (connack_ != 0) throw std::runtime_error("CONNACK " + std::to_string(connack_));
}

void MqttClient::Subscribe(const std::vector<std::string>& filters) {
  const int before = subacks_;
  Write(iotcore::EncodeSubscribe(next_id_++, filters));
  Await([this, before] { return subacks_ > before; });
}

void MqttClient::Publish(const std::vector<iotcore::Message>& messages) {
  std::string bytes;
  for (const iotcore::Message& message : messages) {
    if (next_id_ == 0) ++next_id_;
    bytes += iotcore::EncodePublish(next_id_++, message.topic, message.payload);
  }
  Write(bytes);
}

iotcore::Message MqttClient::Receive() {
  Await([this] { return !messages_.empty(); });
  iotcore::Message message = std::move(messages_.front());
  messages_.pop_front();
  return message;
}

void MqttClient::Await(const std::function<bool()>& done) {
  const auto end = std::chrono::steady_clock::now() + kLimit;
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) throw std::runtime_error("no answer in time");
    ReadSome();
  }
  if (!acks_.empty()) Write(std::exchange(acks_, {}));
}

void MqttClient::Write(const std::string& bytes) {
  bool written = false;
  error_code failed;
  asio::async_write(stream_, asio::buffer(bytes), [&written, &failed](const error_code& error, std::size_t) {
    written = true;
    failed = error;
  });
  context_.restart();
  context_.run_for(kLimit);
  if (!written || failed) throw std::runtime_error("write: " + failed.message());
}

void MqttClient::ReadSome() {
  std::size_t size = 0;
  bool finished = false;
  error_code failed;
  stream_.async_read_some(asio::buffer(buffer_), [&](const error_code& error, std::size_t count) {
    finished = true;
    failed = error;
    size = count;
  });
  context_.restart();
  context_.run_for(kLimit);
  if (!finished || failed) throw std::runtime_error("read: " + (finished ? failed.message() : "no answer in time"));
  const bool whole = reader_.Feed({buffer_.data(), size}, [this](const Packet& packet) { OnPacket(packet); });
  if (!whole) throw std::runtime_error("the server sent what is no MQTT");
}

void MqttClient::OnPacket(const Packet& packet) {
  if (packet.type == PacketType::kConnack) connack_ = iotcore::ParseConnack(packet).value_or(255);
  if (packet.type == PacketType::kSuback) ++subacks_;
  const auto publish = iotcore::ParsePublish(packet);
  if (!publish) return;
  messages_.push_back({std::string(publish->topic), std::string(publish->payload)});
  if (publish->qos == 1) acks_ += iotcore::EncodePuback(publish->packet_id);
}

}  // namespace penumbra::test
