// One client's connection: reads a request, has it handled, writes the answer, and again. Loop thread.
// Deliberately no knowledge of what paths mean (routes.hpp).
#pragma once

#include <boost/asio/local/stream_protocol.hpp>
#include <memory>
#include <optional>
#include <set>

#include "api/gateway_view.hpp"
#include "api/server.hpp"

namespace penumbra::api {

class Session;

// What server and sessions share. Outlives the server while a handler is still queued on the loop.
struct ServerState {
  AsioLoop& loop;
  GatewayView* view;  // nullptr once the server is gone
  ApiLimits limits;
  ApiCounters counters;
  std::set<Session*> sessions;
};

using UnixSocket =
    boost::asio::basic_stream_socket<boost::asio::local::stream_protocol, boost::asio::io_context::executor_type>;

// What a client reads for whom there is no room; fits into any fresh socket's buffer.
void SayBusy(int socket);

class Session {
 public:
  // Lives until its client goes, a deadline passes, or Close().
  static void Start(UnixSocket socket, std::shared_ptr<ServerState> state);
  virtual ~Session() = default;
  // At once; an answer on its way is cut.
  virtual void Close() = 0;
  // Since when it has waited for a whole request; nullopt: one is being answered.
  virtual std::optional<BootTime> IdleSince() const = 0;
  // Closes it so that another one has room. A client that has not asked anything yet is told so (503).
  virtual void Evict() = 0;
};

}  // namespace penumbra::api
