#include "iotcore/broker.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "iotcore/broker_log.hpp"

namespace penumbra::iotcore {

using boost::system::error_code;

namespace {

constexpr std::chrono::milliseconds kStartLimit(60'000), kStopLimit(2000), kPoll(2);

// mosquitto stands in /usr/sbin, which is not in everybody's PATH.
std::string FindMosquitto() {
  std::string path = std::getenv("PATH") != nullptr ? std::getenv("PATH") : "";
  path += ":/usr/sbin:/usr/local/sbin";
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find(':', at), path.size());
    const std::string candidate = path.substr(at, end - at) + "/mosquitto";
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    at = end + 1;
  }
  return {};
}

bool Accepts(const std::filesystem::path& socket) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{.sun_family = AF_UNIX};
  std::strncpy(address.sun_path, socket.c_str(), sizeof address.sun_path - 1);
  return ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

struct Broker::LogPipe {
  LogPipe(boost::asio::io_context& context, int fd, Broker* owner) : descriptor(context, fd), broker(owner) {}
  boost::asio::posix::stream_descriptor descriptor;
  Broker* broker;  // cleared when the broker object goes away before the last handler
  std::array<char, 65536> buffer;
  std::string pending;
};

Broker::Broker(boost::asio::io_context& context, std::filesystem::path folder, std::function<void()> on_exit)
    : context_(context), folder_(std::move(folder)), on_exit_(std::move(on_exit)) {}

Broker::~Broker() {
  Stop();
  if (log_) log_->broker = nullptr;
}

Status Broker::WriteFiles() const {
  std::ofstream config(folder_ / "mosquitto.conf");
  config << (::geteuid() == 0 ? "user root\n" : "")  // as root mosquitto would give up its rights to our files
         << "persistence false\n"
            "log_dest stderr\n"
            "log_type all\n"
            // Nothing may be queued or dropped inside: what the broker acknowledged must have reached the recorder.
            "max_inflight_messages 0\n"
            "max_queued_messages 0\n"
            "max_packet_size 149504\n"  // 146 KB, AWS's figure for MQTT 5
            "sys_interval 0\n"
         << "listener 0 " << socket().string() << "\nallow_anonymous true\n";
  config.close();
  if (!config) return Fail(Action::kFatal, fmt::format("cannot write below {}", folder_.string()));
  return {};
}

Status Broker::Start() {
  if (Running()) return {};
  if (socket().string().size() >= sizeof(sockaddr_un::sun_path)) {
    return Fail(Action::kFixConfig,
                fmt::format("{} is too long for a socket: use a shorter folder", socket().string()));
  }
  if (const Status wrote = WriteFiles(); !wrote) return wrote;
  ::unlink(socket().c_str());
  log_file_.open(folder_ / "mosquitto.log", std::ios::app);
  auto pipe = Spawn();
  if (!pipe) return Fail(pipe.error());
  log_ = std::make_shared<LogPipe>(context_, pipe->Release(), this);
  ReadLog(log_);
  return AwaitListener();
}

Result<UniqueFd> Broker::Spawn() {
  const std::string program = FindMosquitto();
  if (program.empty()) return Fail(Action::kFixConfig, "mosquitto is not installed (apt install mosquitto)");
  const std::string config = (folder_ / "mosquitto.conf").string();
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return Fail(Action::kFatal, ErrnoMessage("pipe", errno));
  UniqueFd read_end(ends[0]), write_end(ends[1]);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) return Fail(Action::kFatal, ErrnoMessage("fork", errno));
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
    ::dup2(write_end.get(), STDERR_FILENO);
    ::execl(program.c_str(), program.c_str(), "-c", config.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  return read_end;
}

Status Broker::AwaitListener() {
  const auto end = std::chrono::steady_clock::now() + kStartLimit;
  while (std::chrono::steady_clock::now() < end) {
    if (!Running()) {
      return Fail(Action::kRetry, fmt::format("mosquitto ended at once, see {}", (folder_ / "mosquitto.log").string()));
    }
    if (Accepts(socket())) return {};
    ::poll(nullptr, 0, static_cast<int>(kPoll.count()));
  }
  Kill();
  return Fail(Action::kFatal, "mosquitto does not listen after a minute");
}

void Broker::ReadLog(const std::shared_ptr<LogPipe>& pipe) {
  pipe->descriptor.async_read_some(
      boost::asio::buffer(pipe->buffer), [this, pipe](const error_code& error, std::size_t size) {
        if (pipe->broker == nullptr) return;
        if (error && size == 0) {
          if (pipe == log_ && pid_ > 0 && Reap(kStopLimit)) on_exit_();
          return;
        }
        pipe->pending.append(pipe->buffer.data(), size);
        std::size_t at = 0;
        for (std::size_t end; (end = pipe->pending.find('\n', at)) != std::string::npos; at = end + 1) {
          const std::string_view line = std::string_view(pipe->pending).substr(at, end - at);
          if (!IsPerMessage(line)) log_file_ << line << '\n' << std::flush;
        }
        pipe->pending.erase(0, at);
        ReadLog(pipe);
      });
}

bool Broker::Running() {
  return pid_ > 0 && !Reap(std::chrono::milliseconds(0));
}

// True: it has ended and is waited for.
bool Broker::Reap(std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  for (;;) {
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      return true;
    }
    if (std::chrono::steady_clock::now() >= end) return false;
    ::poll(nullptr, 0, static_cast<int>(kPoll.count()));
  }
}

void Broker::Stop() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGTERM);
  if (!Reap(kStopLimit)) Kill();
}

void Broker::Kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  Reap(kStopLimit);
}

}  // namespace penumbra::iotcore
