#include "api/server.hpp"

#include <boost/asio/basic_socket_acceptor.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "api/session.hpp"
#include "api/unix_socket.hpp"
#include "base/log.hpp"

namespace penumbra::api {
namespace {

namespace asio = boost::asio;
using Acceptor = asio::basic_socket_acceptor<asio::local::stream_protocol, asio::io_context::executor_type>;

// After a failed accept (no descriptors left, mostly): how long until the next try.
constexpr Duration kAcceptPause = std::chrono::milliseconds(200);

class Server : public ApiServer {
 public:
  Server(AsioLoop& loop, std::filesystem::path socket, UnixListener listener, GatewayView& view, ApiLimits limits)
      : state_(std::make_shared<ServerState>(ServerState{loop, &view, limits, {}, {}})),
        socket_(std::move(socket)),
        listener_(std::move(listener)),
        acceptor_(loop.context(), asio::local::stream_protocol(), listener_->ReleaseFd()) {
    Accept();
    WatchSocket();
  }

  ~Server() override {
    state_->view = nullptr;
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    const std::vector<Session*> sessions(state_->sessions.begin(), state_->sessions.end());
    for (Session* session : sessions) session->Close();
  }

  ApiCounters Counters() const override { return state_->counters; }

 private:
  void Accept() {
    acceptor_.async_accept([this, state = state_](const boost::system::error_code& error, UnixSocket socket) {
      if (state->view == nullptr) return;                   // the server is gone: `this` is not valid
      if (error == asio::error::operation_aborted) return;  // another socket has taken this one's place
      error ? OnAcceptError(error) : OnAccept(std::move(socket));
    });
  }

  void OnAccept(UnixSocket socket) {
    accept_failing_ = false;
    ++state_->counters.connections;
    if (state_->sessions.size() >= state_->limits.max_connections) MakeRoom();
    if (state_->sessions.size() < state_->limits.max_connections) {
      Session::Start(std::move(socket), state_);
    } else {
      ++state_->counters.refused_connections;
      SayBusy(socket.native_handle());
    }
    Accept();
  }

  // Whoever is idle longest has to go: clients that only hold their connection must not lock the others out.
  void MakeRoom() {
    Session* oldest = nullptr;
    for (Session* session : state_->sessions) {
      const auto idle = session->IdleSince();
      if (idle && (oldest == nullptr || *idle < *oldest->IdleSince())) oldest = session;
    }
    if (oldest != nullptr) oldest->Evict();
  }

  void OnAcceptError(const boost::system::error_code& error) {
    if (!accept_failing_) log::Warning("api.accept_failed", "cannot accept clients", {{"error", error.message()}});
    accept_failing_ = true;
    accept_again_ = state_->loop.After(kAcceptPause, [this] { Accept(); });
  }

  void WatchSocket() {
    watch_ = state_->loop.After(state_->limits.socket_watch, [this] {
      if (listener_->IsGone()) MakeSocketAgain();
      WatchSocket();
    });
  }

  void MakeSocketAgain() {
    auto listener = UnixListener::Bind(socket_);
    if (!listener) {
      if (!std::exchange(rebind_failing_, true)) {
        log::Warning("api.socket_gone", "the socket was removed and cannot be made again",
                     {{"socket", socket_.string()}, {"error", listener.error().message}});
      }
      return;
    }
    rebind_failing_ = false;
    log::Warning("api.socket_gone", "the socket was removed; there is a new one", {{"socket", socket_.string()}});
    // The old descriptor is closed last: until then the new file cannot have the old one's inode number.
    listener_.emplace(std::move(*listener));
    boost::system::error_code ignored;
    accept_again_.reset();
    acceptor_.close(ignored);
    acceptor_.assign(asio::local::stream_protocol(), listener_->ReleaseFd(), ignored);
    Accept();
  }

  std::shared_ptr<ServerState> state_;
  const std::filesystem::path socket_;
  std::optional<UnixListener> listener_;
  Acceptor acceptor_;
  SubscriptionPtr accept_again_;
  SubscriptionPtr watch_;
  bool rebind_failing_ = false;
  bool accept_failing_ = false;
};

}  // namespace

Result<std::unique_ptr<ApiServer>> ApiServer::Create(AsioLoop& loop, const std::filesystem::path& socket,
                                                     GatewayView& view, ApiLimits limits) {
  auto listener = UnixListener::Bind(socket);
  if (!listener) return Fail(listener.error().WithContext("local API"));
  return std::make_unique<Server>(loop, socket, std::move(*listener), view, limits);
}

}  // namespace penumbra::api
