// A mosquitto child process: a TLS listener that demands client certificates and applies the access list, and a Unix
// socket with full rights for the stand-in itself. Nothing persists. The child dies with us (PR_SET_PDEATHSIG).
// One thread; Start and Stop block for some milliseconds. Source: mosquitto.conf(5).
#pragma once

#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace penumbra::iotcore {

class Broker {
 public:
  struct Options {
    std::filesystem::path folder;  // for mosquitto.conf, acl, mosquitto.log, broker.sock
    std::filesystem::path root_ca, server_certificate, server_key, revocation_list;
    std::string acl;         // the text of the acl_file
    std::uint16_t port = 0;  // of the TLS listener, on 127.0.0.1; 0: a free one
  };
  // On the loop: `on_log` gets every line of the broker's log; `on_exit` says that it ended without being asked to.
  Broker(boost::asio::io_context& context, Options options, std::function<void(std::string_view)> on_log,
         std::function<void()> on_exit);
  ~Broker();

  // Returns when both listeners accept; it may still end right after that, which on_exit then says. Errors: kFixConfig
  // (mosquitto not installed, refuses its configuration), kRetry (the port was taken meanwhile), kFatal.
  Status Start();
  // SIGTERM, and SIGKILL after two seconds. Nothing happens when it does not run.
  void Stop();
  // SIGKILL: the clients see a reset without DISCONNECT.
  void Kill();
  bool Running();

  std::uint16_t port() const { return options_.port; }
  std::filesystem::path socket() const { return options_.folder / "broker.sock"; }

 private:
  struct LogPipe;
  Status WriteFiles() const;
  Result<UniqueFd> Spawn();
  Status AwaitListeners();
  void ReadLog(const std::shared_ptr<LogPipe>& pipe);
  bool Reap(std::chrono::milliseconds limit);

  boost::asio::io_context& context_;
  Options options_;
  std::function<void(std::string_view)> on_log_;
  std::function<void()> on_exit_;
  std::ofstream log_file_;
  std::shared_ptr<LogPipe> log_;
  pid_t pid_ = -1;
};

}  // namespace penumbra::iotcore
