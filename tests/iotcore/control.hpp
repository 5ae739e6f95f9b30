// The control socket: one command a line in, one line of JSON out, for tests and scripts; and its client.
// One thread (the io_context's); RunControlClient blocks.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"

namespace penumbra::iotcore {

inline constexpr std::size_t kMaxCommandBytes = 256 * 1024;
inline constexpr std::size_t kMaxWords = 64;

// Words between spaces; a word that begins with '{' or '[' takes the rest of the line. More than kMaxWords: the last
// one takes the rest.
std::vector<std::string> SplitCommand(std::string_view line);

class ControlServer {
 public:
  // Answers the "result" of a command; an error becomes {"ok":false,"error":..}.
  using Handler = std::function<Result<Json>(const std::vector<std::string>& words)>;
  ControlServer(boost::asio::io_context& context, Handler handler);
  ~ControlServer();

  // Replaces a stale socket file. Error: kFixConfig (path too long, folder missing).
  Status Listen(const std::filesystem::path& socket);

 private:
  struct Client;
  struct State;
  static void Accept(const std::shared_ptr<State>& state);
  static void Read(const std::shared_ptr<State>& state, const std::shared_ptr<Client>& client);
  static void Answer(const std::shared_ptr<State>& state, const std::shared_ptr<Client>& client);

  std::shared_ptr<State> state_;
  std::filesystem::path path_;
};

// Sends one command and answers the line that comes back. Errors: kBackOff (nobody listens), kRetry (no answer in
// time).
Result<Json> RunControlClient(const std::filesystem::path& socket, const std::string& command,
                              std::chrono::seconds timeout);

}  // namespace penumbra::iotcore
