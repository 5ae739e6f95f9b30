// The stand-in's own connection to its broker, over the broker's Unix socket with full rights: subscribes, hears,
// publishes. Reconnects for as long as it lives, because the broker is restarted under it.
// One thread (the io_context's). Source: OASIS MQTT 3.1.1.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "iotcore/mqtt_packet.hpp"

namespace penumbra::iotcore {

class BrokerLink {
 public:
  struct Handlers {
    std::function<void()> subscribed;  // after each connect, when the broker has answered
    std::function<void(std::string_view topic, std::string_view payload)> message;
  };
  BrokerLink(boost::asio::io_context& context, std::filesystem::path socket, std::string client_id,
             std::vector<std::string> filters, Handlers handlers);
  ~BrokerLink();

  // Starts connecting, again after each loss.
  void Start();
  // Before the broker is stopped on purpose: what has arrived is still read, but it no longer counts as subscribed.
  void Expire() { subscribed_ = false; }
  bool subscribed() const { return subscribed_; }

  // QoS 1. Dropped and counted while there is no connection, or above kMaxQueuedBytes.
  void Publish(std::string_view topic, std::string_view payload);
  std::uint64_t dropped() const { return dropped_; }

  static constexpr std::size_t kMaxQueuedBytes = 64u << 20;

 private:
  struct Attempt;
  void Connect();
  void Close();
  void Lost();
  void Read(const std::shared_ptr<Attempt>& attempt);
  void OnPacket(const Packet& packet);
  void Send(std::string bytes);
  void Write(const std::shared_ptr<Attempt>& attempt);

  boost::asio::io_context& context_;
  const std::filesystem::path socket_path_;
  const std::string client_id_;
  const std::vector<std::string> filters_;
  const Handlers handlers_;
  boost::asio::steady_timer retry_;
  std::shared_ptr<Attempt> attempt_;
  bool subscribed_ = false;
  std::uint16_t next_packet_id_ = 1;
  std::uint64_t dropped_ = 0;
};

}  // namespace penumbra::iotcore
