#include "iotcore/control.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <cstring>

#include "base/unique_fd.hpp"

namespace penumbra::iotcore {

namespace asio = boost::asio;
using asio::local::stream_protocol;
using boost::system::error_code;

std::vector<std::string> SplitCommand(std::string_view line) {
  std::vector<std::string> words;
  for (;;) {
    const std::size_t begin = line.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos) return words;
    line.remove_prefix(begin);
    const bool last = line.front() == '{' || line.front() == '[' || words.size() + 1 == kMaxWords;
    std::size_t end = last ? line.find_last_not_of(" \t\r\n") + 1 : line.find_first_of(" \t\r\n");
    end = std::min(end, line.size());
    words.emplace_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

struct ControlServer::Client {
  explicit Client(stream_protocol::socket s) : socket(std::move(s)) {}
  stream_protocol::socket socket;
  std::string input, output;
};

// Handlers hold this; `handler` is cleared when the server goes away.
struct ControlServer::State {
  explicit State(asio::io_context& context) : acceptor(context) {}
  stream_protocol::acceptor acceptor;
  Handler handler;
};

ControlServer::ControlServer(asio::io_context& context, Handler handler) : state_(std::make_shared<State>(context)) {
  state_->handler = std::move(handler);
}

ControlServer::~ControlServer() {
  state_->handler = nullptr;
  error_code ignored;
  state_->acceptor.close(ignored);
  if (!path_.empty()) ::unlink(path_.c_str());
}

Status ControlServer::Listen(const std::filesystem::path& socket) {
  if (socket.string().size() >= sizeof(sockaddr_un::sun_path)) {
    return Fail(Action::kFixConfig, fmt::format("{} is too long for a socket", socket.string()));
  }
  ::unlink(socket.c_str());
  error_code error;
  const stream_protocol::endpoint endpoint(socket.string());
  state_->acceptor.open(endpoint.protocol(), error);
  if (!error) state_->acceptor.bind(endpoint, error);
  if (!error) state_->acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return Fail(Action::kFixConfig, fmt::format("cannot listen on {}: {}", socket.string(), error.message()));
  path_ = socket;
  Accept(state_);
  return {};
}

void ControlServer::Accept(const std::shared_ptr<State>& state) {
  state->acceptor.async_accept([state](const error_code& error, stream_protocol::socket socket) {
    if (!state->handler) return;
    if (!error) Read(state, std::make_shared<Client>(std::move(socket)));
    Accept(state);
  });
}

void ControlServer::Read(const std::shared_ptr<State>& state, const std::shared_ptr<Client>& client) {
  asio::async_read_until(client->socket, asio::dynamic_buffer(client->input, kMaxCommandBytes), '\n',
                         [state, client](const error_code& error, std::size_t) {
                           if (!error && state->handler) Answer(state, client);
                         });
}

void ControlServer::Answer(const std::shared_ptr<State>& state, const std::shared_ptr<Client>& client) {
  const std::size_t end = client->input.find('\n');
  const auto result = state->handler(SplitCommand(std::string_view(client->input).substr(0, end)));
  client->input.erase(0, end + 1);
  Json answer = {{"ok", result.has_value()}};
  if (result) {
    answer["result"] = *result;
  } else {
    answer["error"] = result.error().message;
  }
  client->output = Dump(answer) + "\n";
  asio::async_write(client->socket, asio::buffer(client->output),
                    [state, client](const error_code& error, std::size_t) {
                      if (!error && state->handler) Read(state, client);
                    });
}

Result<Json> RunControlClient(const std::filesystem::path& socket, const std::string& command,
                              std::chrono::seconds timeout) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{.sun_family = AF_UNIX};
  std::strncpy(address.sun_path, socket.c_str(), sizeof address.sun_path - 1);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return Fail(Action::kBackOff, ErrnoMessage(fmt::format("cannot reach {}", socket.string()), errno));
  }
  const std::string line = command + "\n";
  if (::send(fd.get(), line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size())) {
    return Fail(Action::kBackOff, ErrnoMessage("cannot send", errno));
  }
  const auto end = std::chrono::steady_clock::now() + timeout;
  std::string answer;
  while (answer.empty() || answer.back() != '\n') {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    pollfd ready{fd.get(), POLLIN, 0};
    if (left.count() <= 0 || ::poll(&ready, 1, static_cast<int>(left.count())) <= 0) {
      return Fail(Action::kRetry, "no answer in time");
    }
    char buffer[65536];
    const ssize_t size = ::read(fd.get(), buffer, sizeof buffer);
    if (size <= 0) return Fail(Action::kBackOff, "the stand-in closed the connection");
    answer.append(buffer, static_cast<std::size_t>(size));
  }
  return ParseJson(answer);
}

}  // namespace penumbra::iotcore
