#include "api/session.hpp"

#include <sys/socket.h>

#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <optional>

#include "api/routes.hpp"
#include "base/version.hpp"

namespace penumbra::api {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

constexpr std::string_view kBusy =
    "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 73\r\n"
    "\r\n{\"error\":\"too many clients are connected\",\"hint\":\"try again in a moment\"}";
static_assert(kBusy.size() - kBusy.find("\r\n\r\n") - 4 == 73);

class HttpSession : public Session, public std::enable_shared_from_this<HttpSession> {
 public:
  HttpSession(UnixSocket socket, std::shared_ptr<ServerState> state)
      : state_(std::move(state)), stream_(std::move(socket)), buffer_(BufferBytes(state_->limits)) {
    state_->sessions.insert(this);
    state_->counters.open_connections = state_->sessions.size();
  }
  ~HttpSession() override { Forget(); }

  void Close() override {
    Forget();
    error_code ignored;
    stream_.socket().close(ignored);
  }

  std::optional<BootTime> IdleSince() const override { return idle_since_; }
  void Evict() override {
    const auto self = shared_from_this();
    ++state_->counters.evicted_connections;
    if (request_ == 0) SayBusy(stream_.socket().native_handle());
    Close();
  }

  void ReadRequest();

 private:
  static std::size_t BufferBytes(const ApiLimits& limits) { return static_cast<std::size_t>(limits.max_request_bytes); }
  void Forget() {
    state_->sessions.erase(this);
    state_->counters.open_connections = state_->sessions.size();
  }
  void OnRead(const error_code& error);
  void OnUnreadable(const error_code& error);
  void HandleRequest();
  void Answer(std::uint64_t request, Response response);
  void Write(Response response, bool keep_alive);
  void OnWritten(const error_code& error);

  std::shared_ptr<ServerState> state_;
  beast::basic_stream<boost::asio::local::stream_protocol, boost::asio::io_context::executor_type> stream_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
  SubscriptionPtr handler_deadline_;
  std::uint64_t request_ = 0;  // counts up; the answer to an earlier one comes too late
  bool answered_ = true;
  std::optional<BootTime> idle_since_;
};

void HttpSession::ReadRequest() {
  idle_since_ = state_->loop.Now();
  parser_.emplace();
  parser_->header_limit(state_->limits.max_header_bytes);
  parser_->body_limit(state_->limits.max_request_bytes);
  stream_.expires_after(state_->limits.request_timeout);
  http::async_read(stream_, buffer_, *parser_,
                   [self = shared_from_this()](const error_code& error, std::size_t) { self->OnRead(error); });
}

void HttpSession::OnRead(const error_code& error) {
  idle_since_.reset();
  if (state_->view == nullptr) return Close();
  if (error) return OnUnreadable(error);
  ++state_->counters.requests;
  // Through the loop's own queue, so that its longest-handler figure covers what requests cost, and clients that
  // pipeline take turns with everything else.
  state_->loop.Post([self = shared_from_this()] { self->HandleRequest(); });
}

void HttpSession::OnUnreadable(const error_code& error) {
  if (error == beast::error::timeout) {
    ++state_->counters.timed_out;
    return Close();
  }
  if (error == http::error::end_of_stream ||
      error.category() != http::make_error_code(http::error::bad_version).category()) {
    return Close();  // the client has gone
  }
  ++state_->counters.malformed;
  if (error == http::error::partial_message) return Close();
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return Write(ErrorResponse(431, "the request's header is too large"), false);
  }
  if (error == http::error::body_limit) return Write(ErrorResponse(413, "the request's body is too large"), false);
  Write(ErrorResponse(400, "this is not an HTTP/1.1 request"), false);
}

void HttpSession::HandleRequest() {
  if (state_->view == nullptr || !stream_.socket().is_open()) return;
  const std::uint64_t request = ++request_;
  answered_ = false;
  const std::weak_ptr<HttpSession> weak = weak_from_this();
  const auto& message = parser_->get();
  const std::string_view target(message.target().data(), message.target().size());
  const Duration wait = AnswerTime(target, state_->limits.handler_timeout);
  handler_deadline_ = state_->loop.After(wait, [weak, request] {
    if (const auto self = weak.lock()) {
      ++self->state_->counters.timed_out;
      self->Answer(request, ErrorResponse(504, "the gateway did not answer in time", "try again in a moment"));
    }
  });
  Handle(*state_->view, state_->counters,
         std::string_view(message.method_string().data(), message.method_string().size()), target, message.body(),
         [self = shared_from_this(), request](Response response) { self->Answer(request, std::move(response)); });
}

void HttpSession::Answer(std::uint64_t request, Response response) {
  if (answered_ || request != request_ || state_->view == nullptr || !stream_.socket().is_open()) return;
  answered_ = true;
  handler_deadline_.reset();
  Write(std::move(response), parser_->get().keep_alive());
}

void HttpSession::Write(Response response, bool keep_alive) {
  response_ = {};
  response_.version(11);
  response_.result(static_cast<unsigned>(response.status));
  response_.set(http::field::server, std::string("penumbrad/") + std::string(kVersion));
  response_.set(http::field::content_type, response.content_type);
  response_.set(http::field::cache_control, "no-store");
  if (!response.allow.empty()) response_.set(http::field::allow, response.allow);
  response_.keep_alive(keep_alive);
  response_.body() = std::move(response.body);
  response_.prepare_payload();
  stream_.expires_after(state_->limits.write_timeout);
  http::async_write(stream_, response_,
                    [self = shared_from_this()](const error_code& error, std::size_t) { self->OnWritten(error); });
}

void HttpSession::OnWritten(const error_code& error) {
  if (error == beast::error::timeout) ++state_->counters.timed_out;
  const bool again = !error && response_.keep_alive() && state_->view != nullptr;
  response_ = {};  // a large answer is not kept while the client thinks about its next question
  if (again) return ReadRequest();
  Close();
}

}  // namespace

void SayBusy(int socket) {
  const ssize_t sent = ::send(socket, kBusy.data(), kBusy.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  static_cast<void>(sent);  // a client for whom it does not fit gets a closed connection
}

void Session::Start(UnixSocket socket, std::shared_ptr<ServerState> state) {
  std::make_shared<HttpSession>(std::move(socket), std::move(state))->ReadRequest();
}

}  // namespace penumbra::api
