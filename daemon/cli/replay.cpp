#include "cli/replay.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <pty.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <list>
#include <sstream>

#include "base/unique_fd.hpp"
#include "cli/bus_verbs.hpp"
#include "cli/exit_code.hpp"
#include "cli/output.hpp"

namespace penumbra::cli {
namespace {

constexpr std::size_t kMbapLength = 6;  // up to and with the length field
constexpr std::size_t kTransaction = 2;
constexpr std::size_t kMaxFrame = 260;
constexpr std::size_t kMaxConnections = 16;

std::size_t Word(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint8_t>(bytes[at]) * 256u + static_cast<std::uint8_t>(bytes[at + 1]);
}

std::int64_t NowNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

// The frames that carry the old request's transaction get the new one's; those that carried another keep being foreign.
std::string Renumbered(std::string bytes, std::string_view old_request, std::string_view new_request) {
  for (std::size_t at = 0; at + kMbapLength <= bytes.size(); at += kMbapLength + Word(bytes, at + 4)) {
    for (std::size_t i = 0; i < kTransaction; ++i) {
      bytes[at + i] = static_cast<char>(bytes[at + i] ^ old_request[i] ^ new_request[i]);
    }
  }
  return bytes;
}

}  // namespace

ReplayBook::ReplayBook(const Recording& recording) : tcp_(recording.transport == "tcp") {
  std::vector<Chunk>* chunks = nullptr;
  std::int64_t asked_ns = 0;
  for (const RecordedFrame& frame : recording.frames) {
    if (frame.kind == RecordedFrame::Kind::kSent) {
      const std::string key = KeyOf(frame.bytes);
      if (key.empty()) continue;
      auto& list = answers_[key].list;
      list.emplace_back(frame.bytes, std::vector<Chunk>{});
      chunks = &list.back().second;
      asked_ns = frame.at_ns;
    } else if (frame.kind != RecordedFrame::Kind::kNote && chunks != nullptr) {
      chunks->push_back({std::max<std::int64_t>(0, frame.at_ns - asked_ns), frame.bytes});
    }
  }
}

std::string ReplayBook::KeyOf(const std::string& request) const {
  if (!tcp_) return request;
  return request.size() > kMbapLength ? request.substr(kMbapLength) : std::string();
}

std::string ReplayBook::TakeRequest(std::string& received) const {
  if (tcp_) {
    if (received.size() < kMbapLength) return {};
    const std::size_t size = kMbapLength + Word(received, 4);
    if (size > kMaxFrame) received.clear();
    if (size > received.size()) return {};
    std::string request = received.substr(0, size);
    received.erase(0, size);
    return request;
  }
  // Nothing in a serial request tells its length: the recorded ones are compared.
  while (!received.empty()) {
    bool may_come = false;
    for (const auto& [request, answers] : answers_) {
      if (received.starts_with(request)) {
        received.erase(0, request.size());
        return request;
      }
      may_come = may_come || request.starts_with(received);
    }
    if (may_come) return {};
    received.erase(0, 1);
  }
  return {};
}

std::vector<ReplayBook::Chunk> ReplayBook::Answer(const std::string& request) {
  const auto found = answers_.find(KeyOf(request));
  if (found == answers_.end()) return {};
  Answers& answers = found->second;
  const auto& [then, recorded] = answers.list[answers.next];
  answers.next = (answers.next + 1) % answers.list.size();
  std::vector<Chunk> chunks = recorded;
  if (!tcp_) return chunks;
  // Pieces of one frame are numbered as the whole that they make.
  std::string whole;
  for (const Chunk& chunk : chunks) whole += chunk.bytes;
  whole = Renumbered(std::move(whole), then, request);
  std::size_t at = 0;
  for (Chunk& chunk : chunks) {
    chunk.bytes = whole.substr(at, chunk.bytes.size());
    at += chunk.bytes.size();
  }
  return chunks;
}

namespace {

struct Peer {
  UniqueFd fd;
  std::string received;
};

struct Pending {
  std::int64_t due_ns;
  Peer* peer;
  std::string bytes;
};

// The device: a listener and its connections, or one pty.
class Device {
 public:
  explicit Device(ReplayBook book) : book_(std::move(book)) {}

  // Where it is reached; empty: complained about.
  std::string OpenPort(std::uint16_t port) {
    listener_ = UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int on = 1;
    setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&address);
    if (bind(listener_.get(), any, size) != 0 || listen(listener_.get(), kMaxConnections) != 0 ||
        getsockname(listener_.get(), any, &size) != 0) {
      Complain(ErrnoMessage(fmt::format("cannot listen on 127.0.0.1 port {}", port), errno));
      return {};
    }
    return fmt::format("127.0.0.1 port {}", ntohs(address.sin_port));
  }

  std::string OpenPty() {
    int master = -1, slave = -1;
    std::array<char, 128> name{};
    termios raw{};
    cfmakeraw(&raw);
    if (openpty(&master, &slave, name.data(), &raw, nullptr) != 0) {
      Complain(ErrnoMessage("cannot open a pty", errno));
      return {};
    }
    // Ours stays open, so that the line is there whoever comes and goes.
    slave_ = UniqueFd(slave);
    peers_.push_back({UniqueFd(master), {}});
    fcntl(master, F_SETFL, O_NONBLOCK);
    return name.data();
  }

  void Run(int stop_fd) {
    while (true) {
      std::vector<pollfd> fds{{stop_fd, POLLIN, 0}, {listener_.get(), POLLIN, 0}};
      std::vector<Peer*> order;
      for (Peer& peer : peers_) {
        fds.push_back({peer.fd.get(), POLLIN, 0});
        order.push_back(&peer);
      }
      poll(fds.data(), fds.size(), WaitMs());
      if (fds[0].revents != 0) return;
      for (std::size_t i = 0; i < order.size(); ++i) {
        if (fds[i + 2].revents != 0) Receive(*order[i]);
      }
      if (fds[1].revents != 0) Accept();
      SendDue();
    }
  }

 private:
  int WaitMs() const {
    if (pending_.empty()) return -1;
    const auto next = std::ranges::min_element(pending_, {}, &Pending::due_ns);
    return static_cast<int>(std::clamp<std::int64_t>((next->due_ns - NowNs()) / 1'000'000 + 1, 0, 60'000));
  }

  void Accept() {
    const int fd = accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    peers_.push_back({UniqueFd(fd), {}});
    if (peers_.size() > kMaxConnections) Drop(peers_.front());
  }

  void Receive(Peer& peer) {
    std::array<char, 1024> buffer;
    const ssize_t count = read(peer.fd.get(), buffer.data(), buffer.size());
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) return Drop(peer);
    peer.received.append(buffer.data(), static_cast<std::size_t>(count));
    for (std::string request; !(request = book_.TakeRequest(peer.received)).empty();) {
      const std::int64_t now = NowNs();
      for (ReplayBook::Chunk& chunk : book_.Answer(request)) {
        pending_.push_back({now + chunk.delay_ns, &peer, std::move(chunk.bytes)});
      }
    }
  }

  void SendDue() {
    const std::int64_t now = NowNs();
    std::ranges::stable_sort(pending_, {}, &Pending::due_ns);
    const auto later = std::ranges::find_if(pending_, [now](const Pending& p) { return p.due_ns > now; });
    const std::vector<Pending> due(pending_.begin(), later);
    pending_.erase(pending_.begin(), later);
    for (const Pending& chunk : due) {
      // A peer that does not read loses bytes, as on a line.
      [[maybe_unused]] const ssize_t written = write(chunk.peer->fd.get(), chunk.bytes.data(), chunk.bytes.size());
    }
  }

  void Drop(Peer& peer) {
    std::erase_if(pending_, [&peer](const Pending& p) { return p.peer == &peer; });
    peers_.remove_if([&peer](const Peer& p) { return &p == &peer; });
  }

  ReplayBook book_;
  UniqueFd listener_, slave_;
  std::list<Peer> peers_;  // addresses stay
  std::vector<Pending> pending_;
};

UniqueFd StopSignals() {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGINT);
  sigaddset(&stop, SIGTERM);
  sigprocmask(SIG_BLOCK, &stop, nullptr);
  return UniqueFd(signalfd(-1, &stop, SFD_CLOEXEC));
}

}  // namespace

int Replay(const Invocation& invocation) {
  const std::string& file = invocation.words[1];
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    Complain(ErrnoMessage("cannot read " + file, errno));
    return kExitFailed;
  }
  std::ostringstream text;
  text << in.rdbuf();
  const auto recording = ParseRecording(text.str());
  if (!recording) {
    Complain(recording.error().WithContext(file));
    return kExitFailed;
  }
  std::uint16_t port = 0;
  const auto arguments = ParseArguments({invocation.words.begin() + 2, invocation.words.end()});
  const auto given = arguments ? GetInt(*arguments, "port") : std::nullopt;
  if (!arguments || arguments->size() != (given ? 1 : 0) || given.value_or(0) < 0 || given.value_or(0) > 65535) {
    Complain("usage: penumbra bus replay FILE [port=N]");
    return kExitUsage;
  }
  port = static_cast<std::uint16_t>(given.value_or(0));
  ReplayBook book(*recording);
  if (book.requests() == 0) {
    Complain(file + " holds no request: nothing could be answered");
    return kExitFailed;
  }
  const std::size_t requests = book.requests();
  const bool pty = recording->transport == "rtu";
  const UniqueFd stop = StopSignals();
  Device device(std::move(book));
  const std::string place = pty ? device.OpenPty() : device.OpenPort(port);
  if (place.empty()) return kExitFailed;
  if (invocation.json) {
    Print(Dump({{"bus", recording->bus}, {"transport", recording->transport}, {"at", place}, {"requests", requests}}) +
          "\n");
  } else {
    Print(fmt::format("bus {} ({}, {}) is at {}; {} different requests are answered, others are not. Ctrl-C ends it.\n",
                      recording->bus, recording->transport, recording->anomaly, place, requests));
  }
  device.Run(stop.get());
  return kExitOk;
}

}  // namespace penumbra::cli
