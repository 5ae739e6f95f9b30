#include "cli/client.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>

#include "base/version.hpp"

namespace penumbra::cli {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

tl::unexpected<Error> Unreachable(const std::filesystem::path& socket, const error_code& error) {
  const std::string where = socket.string();
  if (error == boost::system::errc::no_such_file_or_directory) {
    return Fail(
        Action::kBackOff,
        fmt::format("there is no socket {}: is penumbrad running? (systemctl status penumbrad); if it runs with "
                    "another configuration, give --config FILE or --socket PATH",
                    where));
  }
  if (error == boost::system::errc::connection_refused) {
    return Fail(Action::kBackOff,
                fmt::format("nobody listens on {}: penumbrad has stopped (systemctl status penumbrad)", where));
  }
  if (error == boost::system::errc::permission_denied) {
    return Fail(Action::kGiveUp, fmt::format("no permission for {}: use sudo, or join the group of the daemon (sudo "
                                             "adduser $USER penumbra, then log in again)",
                                             where));
  }
  if (error == beast::error::timeout) {
    return Fail(Action::kGiveUp, fmt::format("penumbrad does not answer on {}", where));
  }
  return Fail(Action::kGiveUp, fmt::format("cannot talk to penumbrad on {}: {}", where, error.message()));
}

}  // namespace

// One exchange. Each step starts the next; the first error ends it.
class Exchange {
 public:
  Exchange(std::chrono::milliseconds timeout, http::verb method, const std::string& target, std::string body = {})
      : stream_(context_), timeout_(timeout), request_(method, target, 11, std::move(body)) {
    request_.set(http::field::host, "localhost");
    request_.set(http::field::user_agent, std::string("penumbra/") + kVersion);
    request_.keep_alive(false);
    request_.prepare_payload();
    parser_.body_limit(Client::kMaxBodyBytes);
    stream_.expires_after(timeout);
  }

  error_code Run(const asio::local::stream_protocol::endpoint& endpoint) {
    if (const error_code error = Connect(endpoint)) return error;
    Write();
    context_.run();
    return error_;
  }

  Answer Take() { return {static_cast<int>(parser_.get().result_int()), std::move(parser_.get().body())}; }

 private:
  // connect(2) as it is: on a Unix socket it waits until the daemon's queue has room, but only in blocking mode. In the
  // other one it says EAGAIN, which asio takes for a connection that is under way (unix(7), "ERRORS").
  error_code Connect(const asio::local::stream_protocol::endpoint& endpoint) {
    auto& socket = stream_.socket();
    socket.open(endpoint.protocol());
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout_);
    const timeval limit{.tv_sec = seconds.count(), .tv_usec = std::chrono::microseconds(timeout_ - seconds).count()};
    const int fd = socket.native_handle();
    if (::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0 &&
        ::connect(fd, endpoint.data(), static_cast<socklen_t>(endpoint.size())) == 0) {
      return {};
    }
    if (errno == EAGAIN) return beast::error::timeout;
    return {errno, boost::system::system_category()};
  }
  void Write() {
    http::async_write(stream_, request_, [this](const error_code& error, std::size_t) {
      error_ = error;
      // A daemon that is too busy answers and closes without reading: its answer says more than our broken pipe.
      if (!error || error == boost::system::errc::broken_pipe) Read();
    });
  }
  void Read() {
    http::async_read(stream_, buffer_, parser_, [this](const error_code& error, std::size_t) { error_ = error; });
  }

  asio::io_context context_{1};
  beast::basic_stream<asio::local::stream_protocol, asio::io_context::executor_type> stream_;
  const std::chrono::milliseconds timeout_;
  http::request<http::string_body> request_;
  beast::flat_buffer buffer_;
  http::response_parser<http::string_body> parser_;
  error_code error_;
};

Result<Answer> Client::Run(Exchange& exchange) const {
  try {
    if (const error_code error = exchange.Run(asio::local::stream_protocol::endpoint(socket_.native()))) {
      return Unreachable(socket_, error);
    }
    return exchange.Take();
  } catch (const boost::system::system_error& e) {  // a path that is too long, no descriptors left
    return Unreachable(socket_, e.code());
  }
}

Result<Answer> Client::Get(const std::string& target) const {
  Exchange exchange(timeout_, http::verb::get, target);
  return Run(exchange);
}

Result<Answer> Client::Post(const std::string& target, std::string body, std::chrono::milliseconds extra) const {
  Exchange exchange(timeout_ + extra, http::verb::post, target, std::move(body));
  return Run(exchange);
}

}  // namespace penumbra::cli
