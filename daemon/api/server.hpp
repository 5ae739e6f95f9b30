// The local HTTP/1.1 server on a Unix socket: what the command line tool, scripts and Prometheus talk to.
// Deliberately no TCP, no TLS and no authentication of its own: the mode of the socket file (0660, owner and group of
// the daemon) says who may ask.
//
// Thread: the loop thread. Nothing blocks. Bounded in every direction by ApiLimits: connections, bytes, rows, time.
// Source: RFC 9112 (HTTP/1.1), unix(7).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "api/gateway_view.hpp"
#include "base/error.hpp"
#include "event/asio_loop.hpp"

namespace penumbra::api {

struct ApiLimits {
  // One more takes the place of the one that has been idle longest; if all are being answered, it is answered 503.
  std::size_t max_connections = 32;
  std::uint32_t max_header_bytes = 16 * 1024;
  std::uint64_t max_request_bytes = 64 * 1024;  // header and body
  // From the answer before (or the accept) to the last byte of a request: limits idle and slow clients alike.
  Duration request_timeout = std::chrono::seconds(15);
  Duration handler_timeout = std::chrono::seconds(10);  // an answer the gateway owes us; then 504
  Duration write_timeout = std::chrono::seconds(10);    // a client that does not read its answer
  Duration socket_watch = std::chrono::seconds(10);     // how often the socket file is looked for
};

struct ApiCounters {
  std::uint64_t requests = 0;
  std::uint64_t connections = 0;          // accepted since start
  std::uint64_t refused_connections = 0;  // more than max_connections
  std::uint64_t evicted_connections = 0;  // idle ones that made room for others
  std::uint64_t timed_out = 0;            // closed at a deadline
  std::uint64_t malformed = 0;            // not HTTP, or too large
  std::size_t open_connections = 0;
};

class ApiServer {
 public:
  // Binds `socket` (mode 0660) and serves until destroyed. A stale socket file is replaced; one that somebody removes
  // is made again. `view` and `loop` outlive the server. Errors, all kFixConfig: another daemon answers there, the
  // folder is missing or not writable, the path is too long for a Unix socket (107 bytes), or something that is not a
  // socket stands in the way.
  static Result<std::unique_ptr<ApiServer>> Create(AsioLoop& loop, const std::filesystem::path& socket,
                                                   GatewayView& view, ApiLimits limits = {});

  // Closes every connection and removes the socket file if it is still ours.
  virtual ~ApiServer() = default;

  virtual ApiCounters Counters() const = 0;
};

}  // namespace penumbra::api
