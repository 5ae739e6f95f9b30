// A TCP relay before the stand-in's TLS port (front.hpp) that misbehaves on command: what the network between a gateway
// and the cloud does to it. Sees bytes only; what is inside TLS stays inside. One thread (the io_context's).
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <set>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"

namespace penumbra::iotcore {

class FaultProxy {
 public:
  // Listens on 127.0.0.1:`port` (0: a free one), and on ::1 with the same port where IPv6 exists; relays to
  // 127.0.0.1:`upstream_port`. Listens after the first Uncut().
  FaultProxy(boost::asio::io_context& context, std::uint16_t port, std::uint16_t upstream_port);
  ~FaultProxy();

  // What the network does. Each applies at once, also to connections that are up.
  struct Faults {
    bool stalled = false;                 // accepts, forwards nothing; what came meanwhile follows later
    bool black_hole = false;              // accepts, swallows everything
    std::chrono::milliseconds delay{0};   // each direction
    std::uint64_t bytes_per_second = 0;   // each direction of each connection; 0: no limit
    std::uint64_t reset_after_bytes = 0;  // RST once a connection has sent so many bytes; 0: never
  };
  const Faults& faults() const { return faults_; }
  // Connections that lost bytes in a black hole are closed when it ends: their TLS stream cannot go on.
  void Set(const Faults& faults);

  // Drops every connection and refuses new ones, until Uncut. Error of Uncut: kRetry, the port is taken.
  void Cut();
  Status Uncut();
  bool cut() const { return !listening_; }
  // Closes all connections with RST; new ones are accepted. Answers how many.
  std::size_t Reset();

  std::uint16_t port() const { return port_; }

  // {"connections","accepted","accepts_per_second_max","accept_times_ms","bytes_up","bytes_down","refused_upstream"}
  // `with_times`: also the Unix time of every accept (the newest kMaxAcceptTimes).
  Json Statistics(bool with_times) const;

  static constexpr std::size_t kMaxAcceptTimes = 100'000;
  static constexpr std::size_t kMaxHeldBytes = 1u << 20;  // per direction; above it the sender has to wait

 private:
  class Session;
  struct Acceptor;
  // Opens it and binds it to our port; from then on port_ is the port.
  boost::system::error_code Bind(boost::asio::ip::tcp::acceptor& acceptor, const boost::asio::ip::address& address);
  // From the first Uncut the port is ours, cut or not: the kernel gives it neither to another server nor to a client's
  // end of a connection. What cannot be reserved fails when it is listened at.
  void Reserve();
  void Accept(const std::shared_ptr<Acceptor>& acceptor);
  void CountAccept();

  boost::asio::io_context& context_;
  std::uint16_t port_;
  const std::uint16_t upstream_port_;
  Faults faults_;
  bool listening_ = false;
  std::vector<boost::asio::ip::tcp::acceptor> reserved_;  // bound, not listening
  std::list<std::shared_ptr<Acceptor>> acceptors_;
  std::set<std::shared_ptr<Session>> sessions_;
  std::uint64_t accepted_ = 0, bytes_up_ = 0, bytes_down_ = 0, refused_upstream_ = 0;
  std::deque<std::int64_t> accept_times_ms_;
  std::deque<std::int64_t> last_second_;
  std::size_t accepts_per_second_max_ = 0;
};

}  // namespace penumbra::iotcore
