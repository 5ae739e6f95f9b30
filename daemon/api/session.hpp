// One client's connection: reads a request, has it handled, writes the answer, and again. Loop thread.
// Deliberately no knowledge of what paths mean (routes.hpp).
#pragma once

#include <boost/asio/local/stream_protocol.hpp>
#include <memory>
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

class Session {
 public:
  // Lives until its client goes, a deadline passes, or Close().
  static void Start(UnixSocket socket, std::shared_ptr<ServerState> state);
  virtual ~Session() = default;
  // At once; an answer on its way is cut.
  virtual void Close() = 0;
};

}  // namespace penumbra::api
