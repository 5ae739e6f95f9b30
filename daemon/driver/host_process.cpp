// Real driver hosts: process, socket, standard error. See host_launcher.hpp for the contract. Loop thread.
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "driver/host_launcher.hpp"
#include "driver/line_gate.hpp"
#include "driver/paths.hpp"
#include "driver/spawn.hpp"
#include "driver/wire.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;

// What one wake-up takes at most, so that a host that floods does not keep the loop from others.
constexpr int kMaxFramesPerWakeup = 32;
constexpr std::size_t kOutputBytesPerWakeup = 16 * 1024;
// After that much of output the pipe is left alone for a while; it fills, and what the driver writes is lost to it.
constexpr Duration kOutputPause = 250ms;
constexpr int kLastWaitMs = 100;

class Process : public HostProcess {
 public:
  Process(EventLoop& loop, Child child, UniqueFd socket, UniqueFd output, UniqueFd cancel, HostHandlers handlers,
          std::shared_ptr<std::string> buffer)
      : loop_(loop),
        child_(std::move(child)),
        socket_(std::move(socket)),
        output_(std::move(output)),
        cancel_(std::move(cancel)),
        handlers_(std::move(handlers)),
        buffer_(std::move(buffer)) {
    end_watch_ = loop_.WhenReadable(child_.pidfd.get(), [this] { OnEnd(); });
    socket_watch_ = loop_.WhenReadable(socket_.get(), [this] { OnSocket(kMaxFramesPerWakeup); });
    WatchOutput();
  }

  ~Process() override {
    *alive_ = false;
    if (reaped_) return;
    // The one wait on the loop, at shutdown only: an idle host ends within a millisecond, a killed one too, one that is
    // stuck in the kernel never.
    pollfd end{child_.pidfd.get(), POLLIN, 0};
    if (!killed_) {
      Cancel();
      socket_.Reset();
      if (::poll(&end, 1, kLastWaitMs) == 1 && Reap(child_, wait_status_)) return;
    }
    KillChild(child_);
    ::poll(&end, 1, kLastWaitMs);
    Reap(child_, wait_status_);
  }

  bool Send(std::string_view frame) override {
    // A cancel that came too late for the request before must not hit this one.
    eventfd_t ignored = 0;
    ::eventfd_read(cancel_.get(), &ignored);
    return ::send(socket_.get(), frame.data(), frame.size(), MSG_DONTWAIT | MSG_NOSIGNAL) ==
           static_cast<ssize_t>(frame.size());
  }

  void Cancel() override { ::eventfd_write(cancel_.get(), 1); }

  void Close() override {
    if (killed_ || close_timer_) return;
    Cancel();
    socket_watch_.reset();
    socket_.Reset();
    output_watch_.reset();
    output_pause_.reset();
    close_timer_ = loop_.After(std::chrono::milliseconds(kLastWaitMs), [this] {
      hung_ = true;
      Kill();
    });
  }

  void Kill() override {
    killed_ = true;
    if (!reaped_) KillChild(child_);
  }

  int pid() const override { return child_.pid; }

 private:
  // After each handler this object may be gone: `alive` is a copy on the stack.
  void OnSocket(int max_frames) {
    const auto alive = alive_;
    for (int i = 0; i < max_frames && *alive && socket_watch_; ++i) {
      const ssize_t n = Receive();
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) return StopListening(handlers_.closed);
      if (static_cast<std::size_t>(n) > buffer_->size()) return StopListening(handlers_.broken);
      handlers_.frame({buffer_->data(), static_cast<std::size_t>(n)});
    }
  }

  // The next frame, as recv(2). A host that ends with a request of ours unread makes one receive fail (ECONNRESET),
  // before the frames that it had sent: its last words among them.
  ssize_t Receive() {
    ssize_t n = -1;
    do {
      n = ::recv(socket_.get(), buffer_->data(), buffer_->size(), MSG_DONTWAIT | MSG_TRUNC);
    } while (n < 0 && (errno == EINTR || errno == ECONNRESET));
    return n;
  }

  // `handler` is a copy: it may destroy this object.
  void StopListening(std::function<void()> handler) {
    socket_watch_.reset();
    handler();
  }

  void OnEnd() {
    if (!Reap(child_, wait_status_)) return;
    reaped_ = true;
    const auto alive = alive_;
    // Its last words first. A frame it sent before dying still counts; more than a wake-up's worth does not.
    if (socket_watch_) TakeLastFrames();
    if (!*alive) return;
    if (!close_timer_) OnOutput();
    if (!*alive) return;
    end_watch_.reset();
    socket_watch_.reset();
    output_watch_.reset();
    close_timer_.reset();
    const auto ended = handlers_.ended;
    ended(hung_ ? std::string(kHungAtTheEnd) : DescribeExit(wait_status_));
  }

  void TakeLastFrames() {
    const auto alive = alive_;
    for (int i = 0; i < kMaxFramesPerWakeup && *alive; ++i) {
      const ssize_t n = Receive();
      if (n <= 0 || static_cast<std::size_t>(n) > buffer_->size()) return;
      handlers_.frame({buffer_->data(), static_cast<std::size_t>(n)});
    }
  }

  void WatchOutput() {
    output_watch_ = loop_.WhenReadable(output_.get(), [this] { OnOutput(); });
  }

  void OnOutput() {
    std::array<char, kOutputBytesPerWakeup> bytes{};
    const ssize_t n = ::read(output_.get(), bytes.data(), bytes.size());
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
      output_watch_.reset();
      return;
    }
    if (static_cast<std::size_t>(n) == bytes.size()) {
      output_watch_.reset();
      output_pause_ = loop_.After(kOutputPause, [this] { WatchOutput(); });
    }
    const auto alive = alive_;
    for (LineGate::Line& line : lines_.Take({bytes.data(), static_cast<std::size_t>(n)}, loop_.Now())) {
      if (!*alive) return;
      handlers_.output(std::move(line.text), line.dropped);
    }
  }

  EventLoop& loop_;
  Child child_;
  UniqueFd socket_;
  UniqueFd output_;
  UniqueFd cancel_;
  HostHandlers handlers_;
  std::shared_ptr<std::string> buffer_;  // one for all hosts: frames are handled one at a time
  LineGate lines_;
  bool reaped_ = false;
  bool killed_ = false;
  bool hung_ = false;  // did not end by itself after Close
  int wait_status_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  SubscriptionPtr end_watch_, socket_watch_, output_watch_, output_pause_, close_timer_;
};

struct Pair {
  UniqueFd ours, theirs;
};

Result<Pair> SocketPair() {
  std::array<int, 2> fds{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds.data()) != 0) {
    return Fail(Action::kBackOff, ErrnoMessage("socketpair", errno));
  }
  return Pair{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

Result<Pair> OutputPipe() {
  std::array<int, 2> fds{};
  // Both ends non-blocking: a driver that writes faster than the daemon reads loses lines instead of time.
  if (::pipe2(fds.data(), O_CLOEXEC | O_NONBLOCK) != 0) return Fail(Action::kBackOff, ErrnoMessage("pipe", errno));
  return Pair{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

class ProcessLauncher : public HostLauncher {
 public:
  ProcessLauncher(PathSettings paths, EventLoop& loop) : paths_(std::move(paths)), loop_(loop) {}

  Result<std::unique_ptr<HostProcess>> Launch(const HostSpec& spec, HostHandlers handlers) override {
    const std::filesystem::path file = DriverFile(paths_, spec.driver);
    std::error_code error;
    if (file.empty() || !std::filesystem::exists(file, error)) {
      return Fail(Action::kFixConfig, NoSuchDriver(paths_, spec.driver));
    }
    Result<Pair> socket = SocketPair();
    if (!socket) return Fail(socket.error());
    Result<Pair> output = OutputPipe();
    if (!output) return Fail(output.error());
    const Result<UniqueFd> configuration = MemoryFile("penumbra-bus", spec.configuration);
    if (!configuration) return Fail(configuration.error());
    UniqueFd cancel(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (cancel.get() < 0) return Fail(Action::kBackOff, ErrnoMessage("eventfd", errno));
    Result<Child> child =
        Spawn({DriverHostPath(paths_).string(), "--serve", file.string(), std::to_string(::getpid()), spec.bus},
              {{output->theirs.get(), STDERR_FILENO},
               {socket->theirs.get(), wire::kSocketFd},
               {configuration->get(), wire::kConfigurationFd},
               {cancel.get(), wire::kCancelFd}});
    if (!child) return Fail(child.error());
    return std::make_unique<Process>(loop_, std::move(*child), std::move(socket->ours), std::move(output->ours),
                                     std::move(cancel), std::move(handlers), buffer_);
  }

 private:
  PathSettings paths_;
  EventLoop& loop_;
  std::shared_ptr<std::string> buffer_ = std::make_shared<std::string>(wire::kMaxFrame, '\0');
};

}  // namespace

std::unique_ptr<HostLauncher> MakeProcessLauncher(PathSettings paths, EventLoop& loop) {
  return std::make_unique<ProcessLauncher>(std::move(paths), loop);
}

}  // namespace penumbra
