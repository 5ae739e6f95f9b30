// The real server on a real socket with its loop on a thread of its own, and clients that behave or do not.
// Every wait has a limit: reads on the client side end after kPatience.
#include "api/server.hpp"

#include <gmock/gmock.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>
#include <fstream>
#include <future>
#include <thread>

#include "base/unique_fd.hpp"
#include "cli/client.hpp"
#include "unit/api/fake_view.hpp"

namespace penumbra::api {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

constexpr int kPatienceMs = 60'000;  // that the machine is not dead
// No client of ours is slow enough for these times: a test shortens the one that it is about.
constexpr ApiLimits kPatient{.request_timeout = 60s, .handler_timeout = 60s, .write_timeout = 60s};
// Room for few.
constexpr ApiLimits kSmall{.max_connections = 4,
                           .max_header_bytes = 4096,
                           .max_request_bytes = 8192,
                           .request_timeout = 60s,
                           .handler_timeout = 60s,
                           .write_timeout = 60s,
                           .socket_watch = 20ms};

ApiLimits Shortened(Duration ApiLimits::*time) {
  ApiLimits limits = kSmall;
  limits.*time = 300ms;
  return limits;
}

sockaddr_un Address(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return address;
}

// A client that says exactly what the test wants.
class RawClient {
 public:
  explicit RawClient(const std::filesystem::path& path) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const sockaddr_un address = Address(path);
    connected_ = ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  bool connected() const { return connected_; }
  void Send(std::string_view text) const {
    const ssize_t sent = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    static_cast<void>(sent);  // a server that has closed is what some tests are about
  }
  // What comes until `until` is in it, or the end, or patience runs out ("(waited too long)" is appended).
  std::string Read(std::string_view until = "\x01") const {
    std::string text;
    char part[65536];
    while (text.find(until) == std::string::npos) {
      pollfd p{fd_.get(), POLLIN, 0};
      if (::poll(&p, 1, kPatienceMs) <= 0) return text + "(waited too long)";
      const ssize_t n = ::recv(fd_.get(), part, sizeof part, 0);
      if (n <= 0) return text;
      text.append(part, static_cast<std::size_t>(n));
    }
    return text;
  }
  // Within the time: an answer, or the end.
  bool HasSomething(int within_ms) const {
    pollfd p{fd_.get(), POLLIN, 0};
    return ::poll(&p, 1, within_ms) > 0;
  }
  void SetSmallReceiveBuffer() const {
    const int bytes = 1024;
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  }

 private:
  UniqueFd fd_;
  bool connected_ = false;
};

std::size_t Count(const std::string& text, std::string_view word) {
  std::size_t count = 0;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

class Server : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/penumbra-api-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
    socket_ = folder_ / "api.sock";
  }
  void TearDown() override {
    Stop();
    std::filesystem::remove_all(folder_);
  }
  void Start(ApiLimits limits = kPatient) {
    auto server = ApiServer::Create(loop_, socket_, view_, limits);
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
    thread_ = std::thread([this] { loop_.Run(); });
  }
  void Stop() {
    if (!thread_.joinable()) return;
    OnLoop([this] { server_.reset(); });
    loop_.Stop();
    thread_.join();
  }
  void OnLoop(std::function<void()> work) {
    std::promise<void> done;
    loop_.Post([&done, &work] {
      work();
      done.set_value();
    });
    ASSERT_EQ(done.get_future().wait_for(std::chrono::milliseconds(kPatienceMs)), std::future_status::ready);
  }
  // The answers that the gateway has held so far, and all others at once.
  void GiveAnswers() {
    OnLoop([this] {
      view_.hold_answers = false;
      for (const auto& late : view_.held) late();
    });
  }
  // What the tool gets.
  Result<cli::Answer> Get(const std::string& target) const {
    return cli::Client(socket_, std::chrono::milliseconds(kPatienceMs)).Get(target);
  }
  ApiCounters Counters() {
    ApiCounters counters;
    OnLoop([this, &counters] { counters = server_->Counters(); });
    return counters;
  }
  static bool Eventually(const std::function<bool()>& good) {
    for (int i = 0; i < kPatienceMs / 10; ++i) {
      if (good()) return true;
      ::poll(nullptr, 0, 10);
    }
    return false;
  }
  bool EventuallyCounters(const std::function<bool(const ApiCounters&)>& good) {
    return Eventually([this, &good] { return good(Counters()); });
  }

  SystemClock clock_;
  AsioLoop loop_{clock_};
  test::FakeView view_;
  std::filesystem::path folder_, socket_;
  std::unique_ptr<ApiServer> server_;
  std::thread thread_;
};

TEST_F(Server, RefusesToStandBesideAnotherDaemon) {
  Start();
  const auto second = ApiServer::Create(loop_, socket_, view_);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr("another penumbrad is running"));
  EXPECT_EQ(second.error().action, Action::kFixConfig);
  EXPECT_EQ(Get("/v1/status")->status, 200) << "the first one goes on";
}

TEST_F(Server, LeavesAFileThatIsNotASocketAlone) {
  std::ofstream(socket_) << "precious";
  EXPECT_FALSE(ApiServer::Create(loop_, socket_, view_));
  EXPECT_TRUE(std::filesystem::is_regular_file(socket_));
}

TEST_F(Server, SaysWhatIsWrongWithThePath) {
  EXPECT_THAT(ApiServer::Create(loop_, folder_ / std::string(120, 'x'), view_).error().message,
              HasSubstr("at most 107"));
  EXPECT_THAT(ApiServer::Create(loop_, folder_ / "none" / "api.sock", view_).error().message,
              HasSubstr("No such file or directory"));
}

TEST_F(Server, ReplacesAStaleSocketAndGivesItItsMode) {
  {
    const UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, socket_.c_str(), sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  Start();
  struct stat info {};
  ASSERT_EQ(::stat(socket_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0660u);
  EXPECT_EQ(Get("/v1/buses")->status, 200);
}

TEST_F(Server, RemovesItsSocketAtTheEndButNotSomebodyElses) {
  Start();
  Stop();
  EXPECT_FALSE(std::filesystem::exists(socket_));
}

TEST_F(Server, LeavesASocketThatSomebodyPutInItsPlace) {
  Start();
  std::filesystem::remove(socket_);
  std::ofstream(socket_) << "new owner";
  Stop();
  EXPECT_TRUE(std::filesystem::exists(socket_));
}

TEST_F(Server, ASocketThatSomebodyRemovedIsMadeAgain) {
  Start(kSmall);
  const RawClient before(socket_);
  ASSERT_TRUE(before.connected());
  for (int time = 0; time < 3; ++time) {
    std::filesystem::remove(socket_);
    ASSERT_TRUE(Eventually([this] { return RawClient(socket_).connected(); }));
    EXPECT_EQ(Get("/v1/buses")->status, 200);
  }
  before.Send("GET /v1/buses HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(before.Read("\r\n"), StartsWith("HTTP/1.1 200")) << "who is connected stays so";
  Stop();
  EXPECT_FALSE(std::filesystem::exists(socket_));
}

TEST_F(Server, AnswersWhatIsNotHttpWith400AndCloses) {
  Start(kSmall);
  RawClient client(socket_);
  client.Send("hello gateway\r\n\r\n");
  EXPECT_THAT(client.Read(), StartsWith("HTTP/1.1 400"));
  EXPECT_EQ(Counters().malformed, 1u);
}

TEST_F(Server, AnswersHeadersAndBodiesThatAreTooLarge) {
  Start(kSmall);
  RawClient header(socket_);
  header.Send("GET /v1/status HTTP/1.1\r\nX: " + std::string(6000, 'x') + "\r\n\r\n");
  EXPECT_THAT(header.Read(), StartsWith("HTTP/1.1 431"));
  RawClient body(socket_);
  body.Send("POST /v1/things/sensor-001/read HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n");
  EXPECT_THAT(body.Read(), StartsWith("HTTP/1.1 413"));
  EXPECT_EQ(Counters().malformed, 2u);
}

TEST_F(Server, DropsAClientThatSendsHalfARequest) {
  Start(Shortened(&ApiLimits::request_timeout));
  RawClient client(socket_);
  client.Send("GET /v1/status HT");
  EXPECT_EQ(client.Read(), "");
  EXPECT_TRUE(EventuallyCounters([](const ApiCounters& c) { return c.timed_out == 1 && c.open_connections == 0; }));
}

TEST_F(Server, DropsAClientThatDripsItsRequestHoweverPatiently) {
  Start(Shortened(&ApiLimits::request_timeout));
  RawClient client(socket_);
  client.Send("GET /v1/status HTTP/1.1\r\nHost: x\r\nX: ");
  std::size_t sent = 0;
  // A request that never ends, a byte every 10 ms: the bytes last for longer than the deadline, and no byte extends it.
  while (sent < kSmall.max_header_bytes / 2 && !client.HasSomething(10)) {
    client.Send("x");
    ++sent;
  }
  EXPECT_LT(sent, kSmall.max_header_bytes / 2);
  EXPECT_EQ(client.Read(), "");
}

TEST_F(Server, DropsAClientThatDoesNotReadItsAnswers) {
  Start(Shortened(&ApiLimits::write_timeout));
  for (int i = 0; i < 5000; ++i) view_.origins.push_back({"a.key", std::string(200, 'v'), "default"});
  RawClient client(socket_);
  client.SetSmallReceiveBuffer();
  client.Send("GET /v1/config HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(EventuallyCounters([](const ApiCounters& c) { return c.timed_out == 1 && c.open_connections == 0; }));
}

TEST_F(Server, AnswersInTheGatewaysPlaceWhenItOwesAnAnswerTooLong) {
  view_.hold_answers = true;
  Start(Shortened(&ApiLimits::handler_timeout));
  EXPECT_EQ(Get("/v1/readings/sensor-001")->status, 504);
  GiveAnswers();
  EXPECT_EQ(Get("/v1/status")->status, 200);
}

TEST_F(Server, AnIdleConnectionMakesRoomForOneThatAsksTheOldestFirst) {
  Start();
  const std::size_t most = kPatient.max_connections;
  std::vector<std::unique_ptr<RawClient>> idle;
  for (std::size_t i = 0; i < 3 * most; ++i) idle.push_back(std::make_unique<RawClient>(socket_));
  EXPECT_EQ(Get("/v1/status")->status, 200) << "at once, not when the others time out";
  EXPECT_EQ(Counters().refused_connections, 0u);
  EXPECT_EQ(Counters().evicted_connections, 2 * most + 1);
  EXPECT_LE(Counters().open_connections, most);
  const std::string gone = idle.front()->Read();
  EXPECT_THAT(gone, StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(gone, HasSubstr("too many clients"));
  idle.back()->Send("GET /v1/buses HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(idle.back()->Read(), StartsWith("HTTP/1.1 200")) << "the youngest still has its place";
}

// A daemon that is too busy to accept anybody: its queue of connections is full.
class FullQueue : public Server {
 protected:
  void SetUp() override {
    Server::SetUp();
    listener_.Reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = Address(socket_);
    ASSERT_EQ(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(listener_.get(), 0), 0);
    first_ = std::make_unique<RawClient>(socket_);
    ASSERT_TRUE(first_->connected());
  }
  UniqueFd Accept() { return UniqueFd(::accept(listener_.get(), nullptr, nullptr)); }

  UniqueFd listener_;
  std::unique_ptr<RawClient> first_;
};

TEST_F(FullQueue, TheToolWaitsForItsTurn) {
  auto answer = std::async(std::launch::async, [this] { return Get("/v1/status"); });
  EXPECT_EQ(answer.wait_for(100ms), std::future_status::timeout) << "it waits";
  const UniqueFd others = Accept();
  const UniqueFd its = Accept();
  constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
  ASSERT_EQ(::send(its.get(), kAnswer.data(), kAnswer.size(), MSG_NOSIGNAL), static_cast<ssize_t>(kAnswer.size()));
  const auto status = answer.get();
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(status->status, 200);
}

TEST_F(FullQueue, TheToolWaitsNoLongerThanItsDeadline) {
  const auto status = cli::Client(socket_, 50ms).Get("/v1/status");
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message, HasSubstr("penumbrad does not answer"));
}

TEST_F(Server, AClientThatSendsItsRequestByteByByteMakesRoomToo) {
  Start(kSmall);
  std::vector<std::unique_ptr<RawClient>> slow;
  for (std::size_t i = 0; i < kSmall.max_connections; ++i) {
    slow.push_back(std::make_unique<RawClient>(socket_));
    slow.back()->Send("GET /v1/st");
  }
  EXPECT_EQ(Get("/v1/status")->status, 200);
}

TEST_F(Server, ServesOnlySoManyAtOnceAndAllAgainLater) {
  view_.hold_answers = true;
  Start(kSmall);
  std::vector<std::unique_ptr<RawClient>> busy;
  for (std::size_t i = 0; i < kSmall.max_connections; ++i) {
    busy.push_back(std::make_unique<RawClient>(socket_));
    busy.back()->Send("GET /v1/readings/sensor-001 HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  ASSERT_TRUE(EventuallyCounters([](const ApiCounters& c) { return c.requests == kSmall.max_connections; }));
  const std::string refused = RawClient(socket_).Read();
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(refused, HasSubstr("too many clients"));
  EXPECT_EQ(Counters().refused_connections, 1u) << "who is being answered keeps his place";
  busy.clear();
  GiveAnswers();
  ASSERT_TRUE(EventuallyCounters([](const ApiCounters& c) { return c.open_connections == 0; }));
  EXPECT_EQ(Get("/v1/status")->status, 200);
}

TEST_F(Server, KeepsAConnectionAndAnswersPipelinedRequestsInOrder) {
  Start();
  RawClient client(socket_);
  std::string requests;
  for (int i = 0; i < 50; ++i) requests += "GET /v1/buses HTTP/1.1\r\nHost: x\r\n\r\n";
  client.Send(requests + "GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string answers = client.Read();
  EXPECT_EQ(Count(answers, "HTTP/1.1 200 OK"), 50u);
  EXPECT_GT(answers.find("HTTP/1.1 404"), answers.rfind("HTTP/1.1 200"));
  EXPECT_EQ(Counters().connections, 1u);
}

TEST_F(Server, GivesAClientsDepartureNoThought) {
  view_.hold_answers = true;
  Start();
  {
    RawClient client(socket_);
    client.Send("GET /v1/readings/sensor-001 HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(EventuallyCounters([](const ApiCounters& c) { return c.requests == 1; }));
  }
  GiveAnswers();
  EXPECT_TRUE(EventuallyCounters([](const ApiCounters& c) { return c.open_connections == 0; }));
}

TEST_F(Server, StopsWithAnswersStillOwed) {
  view_.hold_answers = true;
  Start();
  RawClient waiting(socket_);
  RawClient idle(socket_);
  waiting.Send("GET /v1/readings/sensor-001 HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(EventuallyCounters([](const ApiCounters& c) { return c.requests == 1; }));
  OnLoop([this] { server_.reset(); });
  EXPECT_EQ(waiting.Read(), "");
  EXPECT_EQ(idle.Read(), "");
  GiveAnswers();
}

TEST_F(Server, AnswersAreNotCutByTheirSize) {
  for (int i = 0; i < 5000; ++i) view_.origins.push_back({"a.key", std::string(200, 'v'), "default"});
  Start();
  const auto answer = Get("/v1/config");
  ASSERT_TRUE(answer);
  EXPECT_GT(answer->body.size(), 1'000'000u);
  EXPECT_TRUE(ParseJson(answer->body));
}

TEST_F(Server, AbsentDaemonsAreExplainedToTheUser) {
  EXPECT_THAT(Get("/v1/status").error().message, HasSubstr("is penumbrad running?"));
  Start();
  Stop();
  std::ofstream{socket_};
  EXPECT_EQ(Get("/v1/status").error().action, Action::kBackOff);
}

TEST_F(Server, ASilentDaemonIsGivenUpInTime) {
  const UniqueFd deaf(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, socket_.c_str(), sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(deaf.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(deaf.get(), 5), 0);
  EXPECT_THAT(cli::Client(socket_, 200ms).Get("/v1/status").error().message, HasSubstr("does not answer"));
}

}  // namespace
}  // namespace penumbra::api
