// Messages a second from the outbox (a real store on disk) to PUBACK, over TLS with a client certificate, into a real
// mosquitto; and raw Paho with the same window, payload and broker, interleaved in the same run, so that the ratio
// means something where the absolute figures do not. Prints one JSON line per run.
//
//   uplink_bench [messages=10000] [window=20] [runs=3]
#include <MQTTAsync.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <mutex>

#include "component/mqtt/broker.hpp"
#include "component/mqtt/real_loop.hpp"
#include "event/time_trust.hpp"
#include "mqtt/paho_transport.hpp"
#include "store/store.hpp"
#include "uplink/uplink.hpp"

namespace penumbra {
namespace {

using Steady = std::chrono::steady_clock;

constexpr const char* kThing = "bench-thing";

struct Figures {
  double messages_per_s = 0;
  double cpu_us_per_message = 0;
};

double CpuSeconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + 1e-6 * t.tv_usec; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

Figures Measured(int messages, Steady::time_point start, double cpu_start) {
  const double seconds = std::chrono::duration<double>(Steady::now() - start).count();
  return {messages / seconds, (CpuSeconds() - cpu_start) / messages * 1e6};
}

Reading BenchReading(const Clock& clock) {
  Reading reading;
  reading.thing = kThing;
  reading.unix_ms = clock.UnixMs();
  reading.boot_ns = clock.Now().ns;
  reading.boot_id = clock.BootId();
  reading.values = {{"temperature", 22.5, Quality::kGood, ""}, {"humidity", 51.2, Quality::kGood, ""}};
  return reading;
}

Figures RunUplink(const test::Pki& pki, std::uint16_t port, int messages, int window) {
  test::RealLoop real;
  const std::filesystem::path folder = pki.Path("store");
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  auto store = std::move(*Store::Open({folder / "penumbra.db", {}}, real.loop()));
  for (int i = 0; i < messages; ++i) store->Append(BenchReading(real.loop().clock()));
  bool flushed = false;
  store->Flush([&flushed](Status) { flushed = true; });
  if (!real.RunUntil([&] { return flushed; }, std::chrono::seconds(60))) std::abort();

  const auto transport = mqtt::PahoTransport::Create(real.loop());
  TimeTrust trust(real.loop().clock(), true, 0);
  Uplink::Options options;
  options.upstream.endpoint = "localhost";
  options.upstream.port = port;
  options.upstream.root_ca = pki.Path("ca.pem");
  options.upstream.publish_rate = 1e6;
  options.upstream.in_flight = window;
  auto uplink = Uplink::Create(options, real.loop(), *transport, *store, trust);
  ThingSettings thing;
  thing.name = kThing;
  thing.topic = "sensors/bench/temperature";
  thing.primary = "temperature";
  thing.certificate = pki.Path(std::string(kThing) + ".crt");
  thing.private_key = pki.Path(std::string(kThing) + ".key");
  uplink->Start({}, {thing});
  if (!real.RunUntil([&] { return uplink->Links()[0].link == "online"; })) std::abort();
  const auto start = Steady::now();
  const double cpu = CpuSeconds();
  const auto all_acked = [&] { return store->Outbox(kThing).unsent == 0; };
  if (!real.RunUntil(all_acked, std::chrono::seconds(120))) std::abort();
  const Figures figures = Measured(messages, start, cpu);
  uplink.reset();
  return figures;
}

// Paho as its samples use it: publish from this thread while the window is open, count in the callback.
struct Raw {
  std::mutex mutex;
  std::condition_variable changed;
  bool connected = false;
  int in_flight = 0;
  int acked = 0;

  static void Connected(void* context, MQTTAsync_successData5*) {
    auto& self = *static_cast<Raw*>(context);
    const std::lock_guard lock(self.mutex);
    self.connected = true;
    self.changed.notify_all();
  }
  static void Acked(void* context, MQTTAsync_successData5*) {
    auto& self = *static_cast<Raw*>(context);
    const std::lock_guard lock(self.mutex);
    --self.in_flight;
    ++self.acked;
    self.changed.notify_all();
  }
  static void Failed(void*, MQTTAsync_failureData5* data) {
    std::fprintf(stderr, "raw Paho failed: %d\n", data ? data->code : 0);
    std::abort();
  }
};

Figures RunRaw(const test::Pki& pki, std::uint16_t port, int messages, int window) {
  const std::string uri = "ssl://localhost:" + std::to_string(port);
  const std::string ca = pki.Path("ca.pem"), certificate = pki.Path(std::string(kThing) + ".crt"),
                    key = pki.Path(std::string(kThing) + ".key");
  MQTTAsync client = nullptr;
  MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer5;
  create.maxBufferedMessages = 65535;
  MQTTAsync_createWithOptions(&client, uri.c_str(), kThing, MQTTCLIENT_PERSISTENCE_NONE, nullptr, &create);
  Raw raw;
  MQTTAsync_SSLOptions ssl = MQTTAsync_SSLOptions_initializer;
  ssl.trustStore = ca.c_str();
  ssl.keyStore = certificate.c_str();
  ssl.privateKey = key.c_str();
  ssl.verify = 1;
  MQTTAsync_connectOptions connect = MQTTAsync_connectOptions_initializer5;
  connect.ssl = &ssl;
  connect.context = &raw;
  connect.onSuccess5 = &Raw::Connected;
  connect.onFailure5 = &Raw::Failed;
  MQTTAsync_connect(client, &connect);

  const std::string payload = TelemetryJson(BenchReading(SystemClock{}), "temperature");
  std::unique_lock lock(raw.mutex);
  raw.changed.wait(lock, [&] { return raw.connected; });
  const auto start = Steady::now();
  const double cpu = CpuSeconds();
  for (int i = 0; i < messages; ++i) {
    raw.changed.wait(lock, [&] { return raw.in_flight < window; });
    ++raw.in_flight;
    lock.unlock();
    MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
    response.context = &raw;
    response.onSuccess5 = &Raw::Acked;
    response.onFailure5 = &Raw::Failed;
    MQTTAsync_send(client, "sensors/bench/temperature", static_cast<int>(payload.size()), payload.data(), 1, 0,
                   &response);
    lock.lock();
  }
  raw.changed.wait(lock, [&] { return raw.acked == messages; });
  const Figures figures = Measured(messages, start, cpu);
  lock.unlock();
  MQTTAsync_destroy(&client);
  return figures;
}

}  // namespace
}  // namespace penumbra

int main(int argc, char** argv) {
  using namespace penumbra;
  const int messages = argc > 1 ? std::atoi(argv[1]) : 10'000;
  const int window = argc > 2 ? std::atoi(argv[2]) : 20;
  const int runs = argc > 3 ? std::atoi(argv[3]) : 3;
  test::Pki pki;
  pki.Issue(kThing);
  test::Broker broker(pki, "max_inflight_messages 0\nset_tcp_nodelay true");
  for (int run = 0; run < runs; ++run) {
    const Figures raw = RunRaw(pki, broker.port(), messages, window);
    const Figures ours = RunUplink(pki, broker.port(), messages, window);
    std::printf(
        "{\"messages\":%d,\"window\":%d,\"raw_paho_per_s\":%.0f,\"raw_paho_cpu_us\":%.1f,"
        "\"outbox_per_s\":%.0f,\"outbox_cpu_us\":%.1f,\"ratio\":%.2f}\n",
        messages, window, raw.messages_per_s, raw.cpu_us_per_message, ours.messages_per_s, ours.cpu_us_per_message,
        ours.messages_per_s / raw.messages_per_s);
    std::fflush(stdout);
  }
  return 0;
}
