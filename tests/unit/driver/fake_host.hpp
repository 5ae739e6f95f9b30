// A scripted driver host on virtual time: opens at once and answers each read with the number 1 for each point, unless
// the test says otherwise. One script for all buses; it sees the spec.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "driver/host_launcher.hpp"
#include "driver/wire.hpp"
#include "support/virtual_loop.hpp"

namespace penumbra::test {

class FakeHost {
 public:
  FakeHost(EventLoop& l, HostSpec s, HostHandlers h) : loop(l), spec(std::move(s)), handlers_(std::move(h)) {}

  // Each of these happens `after` from now, if the host still lives then.
  void Say(const wire::FromHost& message, Duration after = Duration::zero()) { Raw(wire::Encode(message), after); }
  void Raw(std::string frame, Duration after = Duration::zero()) {
    Later(after, [this, frame = std::move(frame)] { handlers_.frame(frame); });
  }
  void End(std::string how, Duration after = Duration::zero()) {
    Later(after, [this, how = std::move(how)] {
      const auto ended = handlers_.ended;
      ended(how);
    });
  }
  void CloseSocket() {
    Later(Duration::zero(), [this] { handlers_.closed(); });
  }
  void OpenOk() {
    Say(wire::Loaded{"1", capabilities});
    Say(wire::Opened{});
  }
  void AnswerWith(const wire::ReadRequest& request, const wire::RawValue& value, Duration after = Duration::zero()) {
    Say(wire::ReadAnswer{request.id, wire::Code::kOk, std::vector<wire::RawValue>(request.points.size(), value)},
        after);
  }
  void AnswerOk(const wire::ReadRequest& request, Duration after = Duration::zero()) {
    AnswerWith(request, {Value(std::int64_t{1})}, after);
  }
  void AnswerTimeout(const wire::ReadRequest& request, Duration after = Duration::zero()) {
    AnswerWith(request, {{}, Quality::kBad, wire::Code::kTimeout, "timeout"}, after);
  }

  EventLoop& loop;
  HostSpec spec;
  std::uint64_t capabilities = wire::kCanWrite | wire::kCanAsk | wire::kCanPlan;
  int kills = 0;
  int cancels = 0;
  int closes = 0;
  Duration takes_to_close{};
  std::string ends_with = "exited 0";  // after Close
  bool unkillable = false;

 private:
  void Later(Duration after, std::function<void()> what) { pending_.push_back(loop.After(after, std::move(what))); }
  HostHandlers handlers_;
  std::vector<SubscriptionPtr> pending_;
};

class FakeLauncher : public HostLauncher {
 public:
  explicit FakeLauncher(EventLoop& loop) : loop_(loop) {}

  std::function<void(FakeHost&)> on_start = [](FakeHost& host) { host.OpenOk(); };
  std::function<void(FakeHost&, const wire::ReadRequest&)> on_read = [](FakeHost& host, const wire::ReadRequest& r) {
    host.AnswerOk(r);
  };
  std::function<void(FakeHost&, const wire::WriteRequest&)> on_write = [](FakeHost& host, const wire::WriteRequest& r) {
    host.Say(wire::WriteAnswer{r.id, wire::Code::kOk, ""});
  };
  std::function<void(FakeHost&, const wire::AskRequest&)> on_ask = [](FakeHost& host, const wire::AskRequest& r) {
    host.Say(wire::AskObject{r.id, R"({"b":1,"a":2})"});
    host.Say(wire::AskAnswer{r.id, wire::Code::kOk, ""});
  };
  std::optional<Error> refuse;  // Launch fails
  int launches = 0;
  FakeHost* newest = nullptr;

  Result<std::unique_ptr<HostProcess>> Launch(const HostSpec& spec, HostHandlers handlers) override {
    ++launches;
    if (refuse) return Fail(*refuse);
    auto process = std::make_unique<Process>(*this, spec, std::move(handlers));
    newest = &process->host;
    on_start(process->host);
    return process;
  }

 private:
  struct Process : HostProcess {
    Process(FakeLauncher& l, const HostSpec& spec, HostHandlers handlers)
        : launcher(l), host(l.loop_, spec, std::move(handlers)) {}
    bool Send(std::string_view frame) override {
      const auto request = wire::DecodeRequest(frame);
      if (const auto* read = std::get_if<wire::ReadRequest>(&*request)) launcher.on_read(host, *read);
      if (const auto* write = std::get_if<wire::WriteRequest>(&*request)) launcher.on_write(host, *write);
      if (const auto* ask = std::get_if<wire::AskRequest>(&*request)) launcher.on_ask(host, *ask);
      return true;
    }
    void Cancel() override { ++host.cancels; }
    void Close() override {
      ++host.closes;
      if (!host.unkillable) host.End(host.ends_with, host.takes_to_close);
    }
    void Kill() override {
      ++host.kills;
      if (!host.unkillable) host.End("killed by SIGKILL");
    }
    int pid() const override { return 4711; }
    FakeLauncher& launcher;
    FakeHost host;
  };
  EventLoop& loop_;
};

}  // namespace penumbra::test
