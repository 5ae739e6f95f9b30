#include "iotcore/broker_link.hpp"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <utility>

#include "base/log.hpp"

namespace penumbra::iotcore {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {
constexpr std::chrono::milliseconds kRetryPause(20);
constexpr std::uint16_t kSubscribePacketId = 1;
}  // namespace

// One connection. Handlers hold it by shared_ptr and look at `link`, which is cleared when the connection is given up.
struct BrokerLink::Attempt {
  Attempt(asio::io_context& context, BrokerLink* owner) : link(owner), socket(context) {}
  BrokerLink* link;
  asio::local::stream_protocol::socket socket;
  PacketReader reader;
  std::array<char, 65536> buffer;
  std::deque<std::string> queue;
  std::size_t queued_bytes = 0;
};

BrokerLink::BrokerLink(asio::io_context& context, std::filesystem::path socket, std::string client_id,
                       std::vector<std::string> filters, Handlers handlers)
    : context_(context),
      socket_path_(std::move(socket)),
      client_id_(std::move(client_id)),
      filters_(std::move(filters)),
      handlers_(std::move(handlers)),
      retry_(context) {}

BrokerLink::~BrokerLink() {
  Close();
}

void BrokerLink::Start() {
  Connect();
}

void BrokerLink::Close() {
  retry_.cancel();
  subscribed_ = false;
  if (attempt_) {
    attempt_->link = nullptr;
    error_code ignored;
    attempt_->socket.close(ignored);
    attempt_.reset();
  }
}

void BrokerLink::Connect() {
  if (attempt_) return;
  attempt_ = std::make_shared<Attempt>(context_, this);
  attempt_->socket.async_connect(socket_path_.string(), [attempt = attempt_](const error_code& error) {
    BrokerLink* const link = attempt->link;
    if (link == nullptr) return;
    if (error) return link->Lost();
    link->Send(EncodeConnect(link->client_id_, 0));
    link->Read(attempt);
  });
}

void BrokerLink::Lost() {
  Close();
  retry_.expires_after(kRetryPause);
  retry_.async_wait([this](const error_code& error) {
    if (!error) Connect();
  });
}

void BrokerLink::Read(const std::shared_ptr<Attempt>& attempt) {
  attempt->socket.async_read_some(asio::buffer(attempt->buffer), [attempt](const error_code& error, std::size_t size) {
    if (attempt->link == nullptr) return;
    if (error) return attempt->link->Lost();
    const bool whole = attempt->reader.Feed({attempt->buffer.data(), size}, [&attempt](const Packet& packet) {
      if (attempt->link != nullptr) attempt->link->OnPacket(packet);
    });
    if (attempt->link == nullptr) return;
    if (!whole) return attempt->link->Lost();
    attempt->link->Read(attempt);
  });
}

void BrokerLink::OnPacket(const Packet& packet) {
  switch (packet.type) {
    case PacketType::kConnack:
      if (ParseConnack(packet) != 0) return Lost();
      if (!filters_.empty()) return Send(EncodeSubscribe(kSubscribePacketId, filters_));
      subscribed_ = true;
      return handlers_.subscribed();
    case PacketType::kSuback:
      subscribed_ = true;
      return handlers_.subscribed();
    case PacketType::kPublish:
      if (const auto publish = ParsePublish(packet)) {
        if (publish->qos > 0) Send(EncodePuback(publish->packet_id));
        handlers_.message(publish->topic, publish->payload);
      }
      return;
    default:
      return;
  }
}

void BrokerLink::Publish(std::string_view topic, std::string_view payload) {
  if (!subscribed_ || attempt_->queued_bytes > kMaxQueuedBytes) {
    if (dropped_++ == 0) log::Warning("link.dropped", "not connected, or the broker does not read: message dropped");
    return;
  }
  next_packet_id_ = next_packet_id_ == 0xFFFF ? 1 : next_packet_id_ + 1;
  Send(EncodePublish(next_packet_id_, topic, payload));
}

void BrokerLink::Send(std::string bytes) {
  attempt_->queued_bytes += bytes.size();
  attempt_->queue.push_back(std::move(bytes));
  if (attempt_->queue.size() == 1) Write(attempt_);
}

void BrokerLink::Write(const std::shared_ptr<Attempt>& attempt) {
  asio::async_write(attempt->socket, asio::buffer(attempt->queue.front()),
                    [attempt](const error_code& error, std::size_t size) {
                      if (attempt->link == nullptr) return;
                      if (error) return attempt->link->Lost();
                      attempt->queued_bytes -= size;
                      attempt->queue.pop_front();
                      if (!attempt->queue.empty()) attempt->link->Write(attempt);
                    });
}

}  // namespace penumbra::iotcore
