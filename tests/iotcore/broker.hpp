// A mosquitto child process that only routes: a Unix socket with full rights, for the stand-in itself and for the
// front, which has judged what it passes on. Nothing persists. The child dies with us (PR_SET_PDEATHSIG). One thread;
// Start and Stop block for some milliseconds. Source: mosquitto.conf(5).
#pragma once

#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
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
  // `folder`: for mosquitto.conf, mosquitto.log, broker.sock. On the loop, `on_exit` says that it ended without being
  // asked to.
  Broker(boost::asio::io_context& context, std::filesystem::path folder, std::function<void()> on_exit);
  ~Broker();

  // Returns when it accepts; it may still end right after that, which on_exit then says. Errors: kFixConfig (mosquitto
  // not installed, the path too long for a socket), kRetry (it ended at once), kFatal.
  Status Start();
  // SIGTERM, and SIGKILL after two seconds. Nothing happens when it does not run.
  void Stop();
  // SIGKILL: the clients see a reset without DISCONNECT.
  void Kill();
  bool Running();

  std::filesystem::path socket() const { return folder_ / "broker.sock"; }

 private:
  struct LogPipe;
  Status WriteFiles() const;
  Result<UniqueFd> Spawn();
  Status AwaitListener();
  void ReadLog(const std::shared_ptr<LogPipe>& pipe);
  bool Reap(std::chrono::milliseconds limit);

  boost::asio::io_context& context_;
  const std::filesystem::path folder_;
  std::function<void()> on_exit_;
  std::ofstream log_file_;
  std::shared_ptr<LogPipe> log_;
  pid_t pid_ = -1;
};

}  // namespace penumbra::iotcore
