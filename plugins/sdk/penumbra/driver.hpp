// C++ over penumbra/driver.h: a sensor driver in about sixty lines. Header only; needs C++20 and nlohmann/json.
// Everything here is compiled into the driver: what the host sees is the C ABI alone, so kit and gateway need not be of
// one age.
//
// A driver is a class derived from kit::Bus (or, simpler, a sensor class in a kit::SensorBus, sensor.hpp), a
// kit::Definition that names it with its schemas, and PENUMBRA_DRIVER(definition).
//
// Thread: the host calls from one thread, one call at a time. Errors: throw kit::Failure (or anything that is a
// std::exception); nothing thrown passes the boundary. In Read() a throw makes every value of the request bad with the
// message as its reason, so throw for the whole device and use Slot::Bad for a single point.
#ifndef PENUMBRA_DRIVER_HPP
#define PENUMBRA_DRIVER_HPP

#include <penumbra/driver.h>
#include <poll.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace penumbra::kit {

using Json = nlohmann::json;

// Why a call could not be done. `what` is for the operator: short, stable ("timeout", "crc"), no numbers that change.
class Failure : public std::runtime_error {
 public:
  Failure(penumbra_status status, const std::string& what) : std::runtime_error(what), status_(status) {}
  penumbra_status status() const { return status_; }

 private:
  penumbra_status status_;
};

// What the host offers. Copies are cheap; valid as long as the bus is open. Any thread.
class Host {
 public:
  explicit Host(const penumbra_host* host) : host_(host) {}
  void Log(penumbra_log_level level, const std::string& line) const { host_->log(host_->context, level, line.c_str()); }
  // CLOCK_BOOTTIME in nanoseconds, the clock of deadlines and of value times.
  std::int64_t NowNs() const { return host_->now_ns(host_->context); }
  // Keeps `value` for the next open (Configuration::facts). False: an older host, or not taken.
  bool Remember(const std::string& key, const Json& value) const {
    return Fact(key, value.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
  }
  bool Forget(const std::string& key) const { return Fact(key, nullptr); }

 private:
  bool Fact(const std::string& key, const char* json) const {
    return PENUMBRA_HOST_HAS(host_, remember) && host_->remember(host_->context, key.c_str(), json) == PENUMBRA_OK;
  }
  const penumbra_host* host_;
};

// The time that one call has, and its end before that.
class Call {
 public:
  Call(Host host, std::int64_t deadline_ns, int cancel_fd)
      : host_(host), deadline_ns_(deadline_ns), cancel_fd_(cancel_fd) {}
  const Host& host() const { return host_; }
  std::int64_t deadline_ns() const { return deadline_ns_; }
  int cancel_fd() const { return cancel_fd_; }
  std::chrono::nanoseconds Left() const { return std::chrono::nanoseconds(deadline_ns_ - host_.NowNs()); }
  // Sleeps, for a conversion time. Throws Failure when cancelled, or at once when the time is not there any more.
  void Wait(std::chrono::nanoseconds time) const {
    if (time > Left()) throw Failure(PENUMBRA_TIMEOUT, "timeout");
    const std::int64_t end = host_.NowNs() + time.count();
    for (std::int64_t left = time.count(); left > 0; left = end - host_.NowNs()) {
      pollfd cancel{cancel_fd_, POLLIN, 0};
      const timespec wait{static_cast<time_t>(left / 1'000'000'000), static_cast<long>(left % 1'000'000'000)};
      if (::ppoll(&cancel, cancel_fd_ >= 0 ? 1 : 0, &wait, nullptr) > 0) throw Failure(PENUMBRA_CANCELLED, "cancelled");
    }
  }
  // Throws when cancelled or too late; between the steps of a long call.
  void Check() const { Wait(std::chrono::nanoseconds(1)); }

 private:
  Host host_;
  std::int64_t deadline_ns_;
  int cancel_fd_;
};

// The keys of one level (bus, thing or point), typed. A key that the user left out has the "default" of the driver's
// own schema, so that a default stands in one place. Throws Failure(PENUMBRA_BAD_OPTIONS) for what is neither.
class Options {
 public:
  Options() = default;
  Options(Json given, const Json& schema) : given_(std::move(given)) {
    if (schema.contains("properties")) properties_ = schema["properties"];
  }
  // Given by the user, or by a default.
  bool Has(const std::string& key) const { return Find(key) != nullptr; }
  std::string Text(const std::string& key) const { return Get<std::string>(key, "a text", &Json::is_string); }
  std::int64_t Int(const std::string& key) const {
    return Get<std::int64_t>(key, "a whole number", &Json::is_number_integer);
  }
  double Number(const std::string& key) const { return Get<double>(key, "a number", &Json::is_number); }
  bool Flag(const std::string& key) const { return Get<bool>(key, "true or false", &Json::is_boolean); }
  const Json& given() const { return given_; }

 private:
  const Json* Find(const std::string& key) const {
    if (const auto it = given_.find(key); it != given_.end()) return &*it;
    const auto property = properties_.find(key);
    if (property == properties_.end()) return nullptr;
    const auto value = property->find("default");
    return value == property->end() ? nullptr : &*value;
  }
  template <typename T>
  T Get(const std::string& key, const char* kind, bool (Json::*is)() const noexcept) const {
    const Json* value = Find(key);
    if (value == nullptr) throw Failure(PENUMBRA_BAD_OPTIONS, "\"" + key + "\" is missing");
    if (!(value->*is)()) throw Failure(PENUMBRA_BAD_OPTIONS, "\"" + key + "\" must be " + kind);
    return value->get<T>();
  }
  Json given_ = Json::object();
  Json properties_ = Json::object();
};

struct Point {
  std::string name;
  Options options;
};
struct Thing {
  std::string name;
  Options options;
  std::vector<Point> points;
};
struct Configuration {
  Options bus;
  std::vector<Thing> things;
  Json facts = Json::object();  // what Host::Remember kept
  // Per transfer, as configured or `fallback`.
  std::chrono::milliseconds Timeout(std::chrono::milliseconds fallback) const {
    const auto it = bus.given().find("timeout_ms");
    return it != bus.given().end() && it->is_number_integer() ? std::chrono::milliseconds(it->get<std::int64_t>())
                                                              : fallback;
  }
};

// Where one point's value goes. Raw, as the device has it: the gateway applies scale and offset.
class Slot {
 public:
  Slot(penumbra_value& value, std::deque<std::string>& texts) : value_(value), texts_(texts) {}
  void Good(double number) { Fill(PENUMBRA_REAL).as.d = number; }
  void Good(std::int64_t number) { Fill(PENUMBRA_INT).as.i = number; }
  void Good(std::uint64_t number) { Fill(PENUMBRA_UINT).as.u = number; }
  void Good(int number) { Good(static_cast<std::int64_t>(number)); }
  void Good(bool flag) { Fill(PENUMBRA_BOOL).as.u = flag ? 1 : 0; }
  void Good(const std::string& text) { Fill(PENUMBRA_TEXT).text = Keep(text); }
  void Good(const char* text) { Good(std::string(text)); }
  // There is a value but something is off with it; after Good.
  void Uncertain(const std::string& reason) {
    value_.quality = PENUMBRA_UNCERTAIN;
    value_.reason = Keep(reason);
  }
  void Bad(penumbra_status status, const std::string& reason) {
    value_.type = PENUMBRA_NONE;
    value_.quality = PENUMBRA_BAD;
    value_.status = status;
    value_.reason = Keep(reason);
  }
  // When it was measured, if not just now.
  void At(std::int64_t time_ns) { value_.time_ns = time_ns; }

 private:
  penumbra_value& Fill(penumbra_type type) {
    value_.type = type;
    value_.quality = PENUMBRA_GOOD;
    value_.status = PENUMBRA_OK;
    value_.reason = nullptr;
    return value_;
  }
  const char* Keep(const std::string& text) {
    texts_.push_back(text);
    return texts_.back().c_str();
  }
  penumbra_value& value_;
  std::deque<std::string>& texts_;  // kept until the next call
};

// A value to write, as the device wants it.
class Wanted {
 public:
  explicit Wanted(const penumbra_value& value) : value_(value) {}
  // Throws Failure(PENUMBRA_UNSUPPORTED) when it is no number.
  double Number() const {
    switch (value_.type) {
      case PENUMBRA_BOOL:
      case PENUMBRA_UINT:
        return static_cast<double>(value_.as.u);
      case PENUMBRA_INT:
        return static_cast<double>(value_.as.i);
      case PENUMBRA_REAL:
        return value_.as.d;
      default:
        throw Failure(PENUMBRA_UNSUPPORTED, "only a number can be written here");
    }
  }
  const penumbra_value& raw() const { return value_; }

 private:
  const penumbra_value& value_;
};

// Takes the objects of an answer, one by one, as soon as each is known.
class Answer {
 public:
  explicit Answer(const penumbra_ask_request& request) : request_(request) {}
  template <typename AnyJson>
  void operator()(const AnyJson& object) const {
    request_.answer(request_.context, object.dump(-1, ' ', false, AnyJson::error_handler_t::replace).c_str());
  }

 private:
  const penumbra_ask_request& request_;
};

// One open bus. Its constructor is open(), its destructor close().
class Bus {
 public:
  virtual ~Bus() = default;
  // `points` are indexes into the thing's points, values[k] belongs to points[k]; both indexes have been checked.
  virtual void Read(const Call& call, std::size_t thing, std::span<const std::uint32_t> points,
                    std::span<Slot> values) = 0;
  virtual void Write(const Call&, std::size_t /*thing*/, std::size_t /*point*/, const Wanted&) {
    throw Failure(PENUMBRA_UNSUPPORTED, "this driver only reads");
  }
  // `question` is the value of "ask", `all` the whole object.
  virtual void Ask(const Call&, const std::string& question, const Json& /*all*/, const Answer&) {
    throw Failure(PENUMBRA_UNSUPPORTED, "this driver does not know \"" + question + "\"");
  }
};

// Where a complaint about the configuration goes: a JSON pointer into it, and what is wrong and what instead.
class Complain {
 public:
  Complain(penumbra_complain complain, void* context) : complain_(complain), context_(context) {}
  void operator()(const std::string& pointer, const std::string& message) {
    any_ = true;
    complain_(context_, pointer.c_str(), message.c_str());
  }
  bool any() const { return any_; }

 private:
  penumbra_complain complain_;
  void* context_;
  bool any_ = false;
};

// What a bus needs of the system; the rest is out of reach from open on (driver.h, penumbra_driver.needs).
class Needs {
 public:
  Needs(penumbra_need need, void* context) : need_(need), context_(context) {}
  void Network() { need_(context_, PENUMBRA_NEED_NETWORK, nullptr); }
  void Device(const std::string& path) { need_(context_, PENUMBRA_NEED_DEVICE, path.c_str()); }
  void Read(const std::string& path) { need_(context_, PENUMBRA_NEED_READ, path.c_str()); }
  void Write(const std::string& path) { need_(context_, PENUMBRA_NEED_WRITE, path.c_str()); }

 private:
  penumbra_need need_;
  void* context_;
};

// What a driver is. A constant with static storage; the schemas as driver.h describes them.
struct Definition {
  const char* name;  // = file name without .so
  const char* version;
  std::uint64_t capabilities = 0;
  const char* bus_schema = "{}";
  const char* thing_schema = "{}";
  const char* point_schema = "{}";
  // Throws Failure: PENUMBRA_BAD_OPTIONS, or PENUMBRA_NO_DEVICE (tried again later).
  std::unique_ptr<Bus> (*open)(const Configuration& configuration, Host host) = nullptr;
  // What the schemas cannot say. May be missing.
  void (*check)(const Configuration& configuration, Complain& complain) = nullptr;
  // Missing: nothing, neither files nor network.
  void (*needs)(const Configuration& configuration, Needs& needs) = nullptr;
};

}  // namespace penumbra::kit

struct penumbra_bus {
  std::unique_ptr<penumbra::kit::Bus> bus;
  std::vector<std::size_t> points;  // of each thing
  penumbra::kit::Host host;
  std::deque<std::string> texts;  // handed out in the call before
};

namespace penumbra::kit::detail {

inline Configuration Parse(const Definition& definition, const char* text) {
  const Json json = Json::parse(text);
  const Json bus_schema = Json::parse(definition.bus_schema);
  const Json thing_schema = Json::parse(definition.thing_schema);
  const Json point_schema = Json::parse(definition.point_schema);
  Configuration configuration;
  configuration.bus = Options(json.value("bus", Json::object()), bus_schema);
  configuration.facts = json.value("facts", Json::object());
  const Json things = json.value("things", Json::array());
  for (const Json& t : things) {
    Thing thing{t.value("name", ""), Options(t, thing_schema), {}};
    const Json points = t.value("points", Json::array());
    for (const Json& p : points) thing.points.push_back({p.value("name", ""), Options(p, point_schema)});
    configuration.things.push_back(std::move(thing));
  }
  return configuration;
}

inline void PutError(char* error, std::size_t size, const char* text) {
  if (error != nullptr && size > 0) std::snprintf(error, size, "%s", text);
}

// Runs `work`; whatever it throws becomes a status and one line.
template <typename Work>
penumbra_status Guard(penumbra_status otherwise, char* error, std::size_t size, Work work) noexcept {
  try {
    work();
    return PENUMBRA_OK;
  } catch (const Failure& failure) {
    PutError(error, size, failure.what());
    return failure.status();
  } catch (const std::exception& failure) {
    PutError(error, size, failure.what());
    return otherwise;
  } catch (...) {
    PutError(error, size, "unknown exception");
    return otherwise;
  }
}

template <const Definition& kDefinition>
struct Glue {
  static penumbra_status Check(const char* text, penumbra_complain complain, void* context) {
    Complain to(complain, context);
    char error[256] = "";
    const penumbra_status status = Guard(PENUMBRA_BAD_OPTIONS, error, sizeof error, [&] {
      const Configuration configuration = Parse(kDefinition, text);
      if (kDefinition.check != nullptr) kDefinition.check(configuration, to);
    });
    if (status != PENUMBRA_OK) to("", error);
    return to.any() ? PENUMBRA_BAD_OPTIONS : PENUMBRA_OK;
  }

  static penumbra_status Open(const penumbra_host* host, const char* text, penumbra_bus** bus, char* error,
                              std::size_t size) {
    return Guard(PENUMBRA_BAD_OPTIONS, error, size, [&] {
      const Configuration configuration = Parse(kDefinition, text);
      auto opened = std::make_unique<penumbra_bus>(penumbra_bus{nullptr, {}, Host(host), {}});
      for (const Thing& thing : configuration.things) opened->points.push_back(thing.points.size());
      opened->bus = kDefinition.open(configuration, opened->host);
      *bus = opened.release();
    });
  }

  static void CheckPoint(const penumbra_bus& bus, std::uint32_t thing, std::uint32_t point) {
    if (thing >= bus.points.size() || point >= bus.points[thing]) {
      throw Failure(PENUMBRA_UNSUPPORTED, "no such point");
    }
  }

  static penumbra_status Read(penumbra_bus* bus, const penumbra_read_request* request, penumbra_value* values) {
    char error[160] = "";
    std::vector<Slot> slots;
    const penumbra_status status = Guard(PENUMBRA_IO, error, sizeof error, [&] {
      bus->texts.clear();
      const std::span points(request->points, request->point_count);
      slots.reserve(points.size());
      for (std::size_t k = 0; k < points.size(); ++k) slots.emplace_back(values[k], bus->texts);
      for (const std::uint32_t point : points) CheckPoint(*bus, request->thing, point);
      bus->bus->Read(Call(bus->host, request->deadline_ns, request->cancel_fd), request->thing, points, slots);
    });
    if (status == PENUMBRA_OK || status == PENUMBRA_CANCELLED || slots.size() < request->point_count) return status;
    return Guard(PENUMBRA_IO, nullptr, 0, [&] {
      for (Slot& slot : slots) slot.Bad(status, error);
    });
  }

  static penumbra_status Write(penumbra_bus* bus, const penumbra_write_request* request, char* error,
                               std::size_t size) {
    return Guard(PENUMBRA_IO, error, size, [&] {
      CheckPoint(*bus, request->thing, request->point);
      bus->bus->Write(Call(bus->host, request->deadline_ns, request->cancel_fd), request->thing, request->point,
                      Wanted(*request->value));
    });
  }

  static penumbra_status Ask(penumbra_bus* bus, const penumbra_ask_request* request, char* error, std::size_t size) {
    return Guard(PENUMBRA_IO, error, size, [&] {
      const Json question = Json::parse(request->question);
      bus->bus->Ask(Call(bus->host, request->deadline_ns, request->cancel_fd), question.value("ask", ""), question,
                    Answer(*request));
    });
  }

  // A configuration that cannot be read needs nothing: open will say why.
  static void DeclareNeeds(const char* text, penumbra_need need, void* context) {
    Guard(PENUMBRA_BAD_OPTIONS, nullptr, 0, [&] {
      Needs to(need, context);
      if (kDefinition.needs != nullptr) kDefinition.needs(Parse(kDefinition, text), to);
    });
  }

  static void Close(penumbra_bus* bus) { delete bus; }

  static const penumbra_driver* Entry(const std::uint32_t* host_abis, std::size_t count) {
    static const penumbra_driver driver = [] {
      penumbra_driver d{};
      d.size = sizeof d;
      d.abi_version = PENUMBRA_ABI_VERSION;
      d.name = kDefinition.name;
      d.version = kDefinition.version;
      d.capabilities = kDefinition.capabilities;
      d.bus_schema = kDefinition.bus_schema;
      d.thing_schema = kDefinition.thing_schema;
      d.point_schema = kDefinition.point_schema;
      d.check = Check;
      d.open = Open;
      d.read = Read;
      d.write = (kDefinition.capabilities & PENUMBRA_CAN_WRITE) != 0 ? Write : nullptr;
      d.close = Close;
      d.ask = (kDefinition.capabilities & PENUMBRA_CAN_ASK) != 0 ? Ask : nullptr;
      d.needs = DeclareNeeds;
      return d;
    }();
    for (std::size_t i = 0; i < count; ++i) {
      if (host_abis[i] == PENUMBRA_ABI_VERSION) return &driver;
    }
    return nullptr;
  }
};

}  // namespace penumbra::kit::detail

// Exports the driver. `definition` is a kit::Definition at namespace scope with external linkage or in an unnamed
// namespace; once per .so, outside any namespace.
#define PENUMBRA_DRIVER(definition)                                                                            \
  extern "C" const penumbra_driver* penumbra_driver_entry(const std::uint32_t* host_abis, std::size_t count) { \
    return penumbra::kit::detail::Glue<definition>::Entry(host_abis, count);                                   \
  }

#endif
