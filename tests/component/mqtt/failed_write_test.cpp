// A connection that is reset while messages are being written. Paho 1.3.12 frees the message of a failed write twice
// unless the write is told otherwise (daemon/mqtt/interposed.hpp); its own heap notices, and says so in its log.
#include <MQTTAsync.h>
#include <gtest/gtest.h>

#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "component/mqtt/broker.hpp"
#include "component/mqtt/real_loop.hpp"
#include "mqtt/paho_transport.hpp"

namespace penumbra::mqtt {
namespace {

std::atomic<int> freed_twice{0};

void OnPahoLog(enum MQTTASYNC_TRACE_LEVELS, char* line) {
  if (std::strstr(line, "Failed to remove heap item")) ++freed_twice;
}

struct Thing : Listener {
  void OnConnected(const Session&) override { connected = true; }
  void OnDown(const Failure& failure) override { down = failure; }
  void OnPublished(std::uint64_t, Outcome) override { ++published; }
  void OnSubscribed(std::uint64_t, Outcome) override {}
  void OnMessage(Message) override {}
  bool connected = false;
  int published = 0;
  std::optional<Failure> down;
};

// The sockets of this process whose peer listens on `port`.
std::vector<int> SocketsTo(std::uint16_t port) {
  std::vector<int> found;
  for (int fd = 3; fd < 1024; ++fd) {
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0 || peer.sin_family != AF_INET) continue;
    if (ntohs(peer.sin_port) == port) found.push_back(fd);
  }
  return found;
}

TEST(FailedWrite, EndsTheConnectionAndFreesNoMessageTwice) {
  test::Pki pki;
  pki.Issue("thing-1");
  test::Broker broker(pki);
  test::RealLoop real;
  const auto transport = PahoTransport::Create(
      real.loop(), [](const std::string&) -> Result<Addresses> { return Addresses{"127.0.0.1"}; });
  MQTTAsync_setTraceCallback(&OnPahoLog);
  MQTTAsync_setTraceLevel(MQTTASYNC_TRACE_ERROR);
  ConnectOptions options;
  options.client_id = "thing-1";
  options.host = "localhost";
  options.port = broker.port();
  options.root_ca = pki.Path("ca.pem");
  options.certificate = pki.Path("thing-1.crt");
  options.private_key = pki.Path("thing-1.key");
  Thing thing;
  auto connection = transport->Connect(options, thing);
  ASSERT_TRUE(real.RunUntil([&] { return thing.connected || thing.down; }));
  ASSERT_FALSE(thing.down) << thing.down->message;

  // Every write fails from here on, and nothing comes from a broker that is stopped.
  broker.Pause();
  const std::vector<int> sockets = SocketsTo(broker.port());
  ASSERT_EQ(sockets.size(), 1u);
  ASSERT_EQ(::shutdown(sockets[0], SHUT_WR), 0);
  for (std::uint64_t token = 1; token <= 3; ++token) connection->Publish(token, "sensors/a", "{}", false);
  EXPECT_TRUE(real.RunUntil([&] { return thing.down.has_value(); }));
  EXPECT_EQ(thing.down.value_or(Failure{}).kind, Failure::Kind::kClosed);
  EXPECT_EQ(thing.published, 0);
  connection.reset();
  EXPECT_TRUE(real.RunUntil([&] { return transport->stats().sessions == 0; }));
  MQTTAsync_setTraceCallback(nullptr);
  EXPECT_EQ(freed_twice, 0);
  broker.Resume();
}

}  // namespace
}  // namespace penumbra::mqtt
