// The driver against libmodbus' server side, over TCP, RTU, and RTU through a transparent serial server, and against a
// port that is pulled out and put back.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <modbus.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <functional>

#include "rig.hpp"

namespace penumbra::modbus_rig {
namespace {

using nlohmann::json;

// A process that dies with the test.
class Child {
 public:
  explicit Child(const std::function<void()>& run) : pid_(fork()) {
    if (pid_ != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    run();
    _exit(0);
  }
  ~Child() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Child(const Child&) = delete;

 private:
  pid_t pid_;
};

// Registers hold 1000 + address, coils every third.
void Answer(modbus_t* context) {
  modbus_mapping_t* map = modbus_mapping_new(100, 100, 200, 200);
  for (int i = 0; i < 200; ++i)
    map->tab_registers[i] = map->tab_input_registers[i] = static_cast<std::uint16_t>(1000 + i);
  for (int i = 0; i < 100; ++i) map->tab_bits[i] = i % 3 == 0;
  std::uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
  for (int size; (size = modbus_receive(context, query)) >= 0;) {
    if (size > 0) modbus_reply(context, query, size, map);
  }
}

int Listen(int& port) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof address;
  EXPECT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(listen(listener, 4), 0);
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  port = ntohs(address.sin_port);
  return listener;
}

modbus_t* RtuServer(const std::string& device) {
  modbus_t* context = modbus_new_rtu(device.c_str(), 115200, 'N', 8, 1);
  modbus_set_slave(context, 1);
  EXPECT_EQ(modbus_connect(context), 0);
  return context;
}

json Points() {
  return json::array({Point("h", "holding", 10, "u16"), Point("i", "input", 20, "u32"), Point("c", "coil", 9),
                      Point("w", "holding", 30, "s16"), Point("f", "holding", 40, "f32", {{"order", "CDAB"}})});
}

void ReadsAndWrites(Bus& bus) {
  std::string error;
  EXPECT_EQ(bus.Write(0, 3, IntValue(0), error), PENUMBRA_OK) << "zero is a value: " << error;
  EXPECT_EQ(bus.Write(0, 4, RealValue(-22.5), error), PENUMBRA_OK) << error;
  EXPECT_EQ(bus.Write(0, 2, IntValue(0), error), PENUMBRA_OK) << error;
  const auto values = bus.ReadAll(0);
  for (const Read& value : values) EXPECT_EQ(value.reason, "");
  EXPECT_EQ(values[0].number, 1010);
  EXPECT_EQ(values[1].number, 1020 * 65536.0 + 1021);
  EXPECT_EQ(values[2].number, 0);
  EXPECT_EQ(values[3].number, 0);
  EXPECT_EQ(values[4].number, -22.5);
}

TEST(ModbusInterop, LibmodbusServerOverTcp) {
  int port = 0;
  int listener = Listen(port);
  const Child server([listener]() mutable {
    modbus_t* context = modbus_new_tcp("127.0.0.1", 1502);
    while (modbus_tcp_accept(context, &listener) >= 0) Answer(context);
  });
  Bus bus(TcpBus(port, json::array({Thing(1, Points())})));
  ReadsAndWrites(bus);
}

TEST(ModbusInterop, LibmodbusServerOverRtu) {
  const SerialLine line;
  modbus_t* context = RtuServer(line.theirs());
  const Child server([context] { Answer(context); });
  Bus bus(RtuBus(line.ours(), 115200, json::array({Thing(1, Points())})));
  ReadsAndWrites(bus);
}

// What ser2net and its like do: bytes from the socket to the line and back.
void Carry(int listener, const std::string& device) {
  modbus_t* port = RtuServer(device);
  const int line = modbus_get_socket(port);
  while (true) {
    const int peer = accept(listener, nullptr, nullptr);
    std::array<pollfd, 2> fds{
        {{.fd = peer, .events = POLLIN, .revents = 0}, {.fd = line, .events = POLLIN, .revents = 0}}};
    for (bool open = peer >= 0; open;) {
      if (poll(fds.data(), 2, -1) < 0) _exit(1);
      for (int i = 0; i < 2; ++i) {
        std::array<char, 300> bytes;
        if (fds[i].revents == 0) continue;
        const ssize_t count = read(fds[i].fd, bytes.data(), bytes.size());
        if (count > 0 && write(fds[1 - i].fd, bytes.data(), static_cast<std::size_t>(count)) != count) _exit(1);
        if (count <= 0 && i == 0) open = false;
      }
    }
    close(peer);
  }
}

TEST(ModbusInterop, RtuThroughATransparentSerialServer) {
  const SerialLine line;
  int port = 0;
  const int listener = Listen(port);
  const Child carrier([&] { Carry(listener, line.ours()); });
  modbus_t* context = RtuServer(line.theirs());
  const Child server([context] { Answer(context); });
  Bus bus(TcpBus(port, json::array({Thing(1, Points())}), {{"transport", "rtu-tcp"}}));
  ReadsAndWrites(bus);
}

TEST(ModbusInterop, APortThatIsPulledOutAndPutBackIsOpenedAgain) {
  const std::string name = testing::TempDir() + "modbus-by-id-" + std::to_string(getpid());
  unlink(name.c_str());
  auto line = std::make_unique<SerialLine>();
  ASSERT_EQ(symlink(line->ours().c_str(), name.c_str()), 0);
  auto server = std::make_unique<Server>(Server::Serial(line->theirs(), {}));
  Bus bus(RtuBus(name, 9600, json::array({Thing(1, json::array({Point("p", "input", 100)}))}), {{"retries", 0}}));
  EXPECT_EQ(bus.ReadAll(0)[0].reason, "");
  server.reset();
  line.reset();  // the pty is gone: hung up, like an adapter that was pulled out
  unlink(name.c_str());
  EXPECT_NE(bus.ReadAll(0)[0].reason, "");
  EXPECT_EQ(bus.ReadAll(0)[0].reason, "connection failed (no such device)");
  line = std::make_unique<SerialLine>();
  ASSERT_EQ(symlink(line->ours().c_str(), name.c_str()), 0);
  server = std::make_unique<Server>(Server::Serial(line->theirs(), {}));
  EXPECT_EQ(ReasonInTheEnd(bus), "");
  unlink(name.c_str());
}

}  // namespace
}  // namespace penumbra::modbus_rig
