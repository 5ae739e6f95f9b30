#include "iotcore/fault_proxy.hpp"

#include <fmt/format.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/write.hpp>
#include <vector>

#include "base/log.hpp"
#include "iotcore/unix_time.hpp"

namespace penumbra::iotcore {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using SteadyClock = std::chrono::steady_clock;

// A listening socket; `proxy` is cleared when it is closed, because Asio may still have its handler queued.
struct FaultProxy::Acceptor {
  Acceptor(asio::io_context& context, FaultProxy* owner) : proxy(owner), acceptor(context) {}
  FaultProxy* proxy;
  tcp::acceptor acceptor;
};

// One relayed connection. `proxy_` is cleared by Close, and every handler looks at it first.
class FaultProxy::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(FaultProxy& proxy, tcp::socket client)
      : proxy_(&proxy),
        client_(std::move(client)),
        upstream_(proxy.context_),
        up_(client_, upstream_, proxy.bytes_up_, proxy.context_),
        down_(upstream_, client_, proxy.bytes_down_, proxy.context_) {}

  void Start() {
    const tcp::endpoint broker(asio::ip::address_v4::loopback(), proxy_->upstream_port_);
    upstream_.async_connect(broker, [self = shared_from_this()](const error_code& error) {
      if (self->proxy_ == nullptr) return;
      if (error) {
        ++self->proxy_->refused_upstream_;
        return self->Remove();
      }
      error_code ignored;
      self->client_.set_option(tcp::no_delay(true), ignored);
      self->upstream_.set_option(tcp::no_delay(true), ignored);
      self->Read(self->up_);
      self->Read(self->down_);
    });
  }

  bool lost_bytes() const { return lost_bytes_; }

  // `with_reset`: the client sees RST instead of an orderly end.
  void Close(bool with_reset) {
    proxy_ = nullptr;
    error_code ignored;
    if (with_reset) client_.set_option(asio::socket_base::linger(true, 0), ignored);
    client_.close(ignored);
    upstream_.close(ignored);
    up_.timer.cancel();
    down_.timer.cancel();
  }

  void FaultsChanged() {
    for (Lane* lane : {&up_, &down_}) {
      if (!proxy_) return;
      Forward(*lane);
    }
  }

 private:
  struct Chunk {
    SteadyClock::time_point due;
    std::string bytes;
  };
  // One direction: what was read waits in `held` until it is due.
  struct Lane {
    Lane(tcp::socket& f, tcp::socket& t, std::uint64_t& counter, asio::io_context& context)
        : from(f), to(t), forwarded(counter), timer(context) {}
    tcp::socket& from;
    tcp::socket& to;
    std::uint64_t& forwarded;
    asio::steady_timer timer;
    std::array<char, 16384> buffer;
    std::deque<Chunk> held;
    std::size_t held_bytes = 0;
    bool reading = false, writing = false, ended = false;
    SteadyClock::time_point free_at{};  // when the rate limit lets the next byte through
  };

  void Read(Lane& lane) {
    if (lane.reading || lane.ended || lane.held_bytes > kMaxHeldBytes) return;
    lane.reading = true;
    lane.from.async_read_some(asio::buffer(lane.buffer),
                              [self = shared_from_this(), &lane](const error_code& error, std::size_t size) {
                                if (self->proxy_ != nullptr) self->OnRead(lane, error, size);
                              });
  }

  void OnRead(Lane& lane, const error_code& error, std::size_t size) {
    lane.reading = false;
    if (error) {
      lane.ended = true;
      return Forward(lane);
    }
    if (proxy_->faults_.black_hole) {
      lost_bytes_ = true;
      return Read(lane);
    }
    const Faults& faults = proxy_->faults_;
    auto due = SteadyClock::now() + faults.delay;
    if (faults.bytes_per_second > 0) {
      due = std::max(due, lane.free_at);
      lane.free_at = due + std::chrono::microseconds(size * 1'000'000 / faults.bytes_per_second);
    }
    lane.held.push_back({due, std::string(lane.buffer.data(), size)});
    lane.held_bytes += size;
    Read(lane);
    Forward(lane);
  }

  void Forward(Lane& lane) {
    if (lane.writing || proxy_->faults_.stalled) return;
    if (lane.held.empty()) {
      if (lane.ended) Remove();
      return;
    }
    if (lane.held.front().due > SteadyClock::now()) {
      lane.timer.expires_at(lane.held.front().due);
      lane.timer.async_wait([self = shared_from_this(), &lane](const error_code& error) {
        if (!error && self->proxy_ != nullptr) self->Forward(lane);
      });
      return;
    }
    lane.writing = true;
    asio::async_write(lane.to, asio::buffer(lane.held.front().bytes),
                      [self = shared_from_this(), &lane](const error_code& error, std::size_t size) {
                        if (self->proxy_ != nullptr) self->OnWritten(lane, error, size);
                      });
  }

  void OnWritten(Lane& lane, const error_code& error, std::size_t size) {
    lane.writing = false;
    if (error) return Remove();
    lane.forwarded += size;
    lane.held_bytes -= size;
    lane.held.pop_front();
    if (&lane == &up_) sent_up_ += size;
    const std::uint64_t limit = proxy_->faults_.reset_after_bytes;
    if (limit > 0 && sent_up_ >= limit) return Remove(true);
    Read(lane);
    Forward(lane);
  }

  void Remove(bool with_reset = false) {
    FaultProxy* const proxy = proxy_;
    Close(with_reset);
    proxy->sessions_.erase(shared_from_this());
  }

  FaultProxy* proxy_;
  tcp::socket client_, upstream_;
  Lane up_, down_;
  std::uint64_t sent_up_ = 0;
  bool lost_bytes_ = false;
};

FaultProxy::FaultProxy(asio::io_context& context, std::uint16_t port, std::uint16_t upstream_port)
    : context_(context), port_(port), upstream_port_(upstream_port) {}

FaultProxy::~FaultProxy() {
  Cut();
}

void FaultProxy::Set(const Faults& faults) {
  const bool hole_ends = faults_.black_hole && !faults.black_hole;
  faults_ = faults;
  const std::vector<std::shared_ptr<Session>> sessions(sessions_.begin(), sessions_.end());
  for (const auto& session : sessions) {
    if (hole_ends && session->lost_bytes()) {
      session->Close(false);
      sessions_.erase(session);
    } else {
      session->FaultsChanged();
    }
  }
}

void FaultProxy::Cut() {
  listening_ = false;
  for (const auto& acceptor : acceptors_) {
    acceptor->proxy = nullptr;
    error_code ignored;
    acceptor->acceptor.close(ignored);
  }
  acceptors_.clear();
  for (const auto& session : sessions_) session->Close(false);
  sessions_.clear();
}

error_code FaultProxy::Bind(tcp::acceptor& acceptor, const asio::ip::address& address) {
  error_code error;
  const tcp::endpoint endpoint(address, port_);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error && address.is_v6()) acceptor.set_option(asio::ip::v6_only(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) port_ = acceptor.local_endpoint().port();
  return error;
}

void FaultProxy::Reserve() {
  if (!reserved_.empty()) return;
  for (const asio::ip::address& address :
       {asio::ip::address(asio::ip::address_v4::loopback()), asio::ip::address(asio::ip::address_v6::loopback())}) {
    tcp::acceptor holder(context_);
    if (!Bind(holder, address)) reserved_.push_back(std::move(holder));
  }
}

Status FaultProxy::Uncut() {
  if (listening_) return {};
  Reserve();
  const auto listen = [this](const asio::ip::address& address) -> Status {
    auto acceptor = std::make_shared<Acceptor>(context_, this);
    error_code error = Bind(acceptor->acceptor, address);
    if (!error) acceptor->acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error) return Fail(Action::kRetry, fmt::format("cannot listen on port {}: {}", port_, error.message()));
    acceptors_.push_back(acceptor);
    Accept(acceptor);
    return {};
  };
  if (const Status status = listen(asio::ip::address_v4::loopback()); !status) return status;
  if (const Status status = listen(asio::ip::address_v6::loopback()); !status) {
    log::Info("proxy.no_ipv6", "listens on 127.0.0.1 only", {{"reason", status.error().message}});
  }
  listening_ = true;
  return {};
}

void FaultProxy::Accept(const std::shared_ptr<Acceptor>& acceptor) {
  acceptor->acceptor.async_accept([acceptor](const error_code& error, tcp::socket client) {
    FaultProxy* const proxy = acceptor->proxy;
    if (proxy == nullptr) return;
    if (!error) {
      proxy->CountAccept();
      const auto session = std::make_shared<Session>(*proxy, std::move(client));
      proxy->sessions_.insert(session);
      session->Start();
    }
    proxy->Accept(acceptor);
  });
}

void FaultProxy::CountAccept() {
  ++accepted_;
  const std::int64_t now_ms = UnixMs();
  accept_times_ms_.push_back(now_ms);
  if (accept_times_ms_.size() > kMaxAcceptTimes) accept_times_ms_.pop_front();
  last_second_.push_back(now_ms);
  while (last_second_.front() <= now_ms - 1000) last_second_.pop_front();
  accepts_per_second_max_ = std::max(accepts_per_second_max_, last_second_.size());
}

std::size_t FaultProxy::Reset() {
  const std::size_t count = sessions_.size();
  for (const auto& session : sessions_) session->Close(true);
  sessions_.clear();
  return count;
}

Json FaultProxy::Statistics(bool with_times) const {
  Json json = {{"connections", sessions_.size()},
               {"accepted", accepted_},
               {"accepts_per_second_max", accepts_per_second_max_},
               {"bytes_up", bytes_up_},
               {"bytes_down", bytes_down_},
               {"refused_upstream", refused_upstream_},
               {"cut", cut()},
               {"stalled", faults_.stalled},
               {"black_hole", faults_.black_hole},
               {"delay_ms", faults_.delay.count()},
               {"bytes_per_second", faults_.bytes_per_second}};
  if (with_times) json["accept_times_ms"] = accept_times_ms_;
  return json;
}

}  // namespace penumbra::iotcore
