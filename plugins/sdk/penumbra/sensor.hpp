// kit::SensorBus: a bus of sensors that measure all their quantities in one go, which is what most sensors do. The
// author writes a class for one sensor (one [[thing]]); its table of quantities makes the schema of the points.
//
//   class Ds18b20 {
//    public:
//     static constexpr kit::Quantity kQuantities[] = {{"temperature", "Cel", "Temperature of the chip."}};
//     Ds18b20(kit::NoTransport&, const kit::Thing& thing, kit::Host);
//     void Measure(const kit::Call& call, kit::Measurement& out) { out.Set("temperature", 21.5); }
//   };
//
// Transport: constructed from (const kit::Options& bus, kit::Host), one for all sensors of the bus; a device that is
// not there is no reason to throw before Measure(), unless there is no bus without it.
#ifndef PENUMBRA_SENSOR_HPP
#define PENUMBRA_SENSOR_HPP

#include <penumbra/driver.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace penumbra::kit {

struct Quantity {
  const char* name;
  const char* unit;  // UCUM, as [[thing.point]] unit has it
  const char* help;  // one sentence
};

// What one measurement brought, by quantity. What is not set is bad: "not measured".
class Measurement {
 public:
  explicit Measurement(std::span<const Quantity> quantities) : quantities_(quantities), results_(quantities.size()) {}
  void Set(std::string_view quantity, double value) { At(quantity) = {value, PENUMBRA_OK, ""}; }
  void Bad(std::string_view quantity, penumbra_status status, std::string reason) {
    At(quantity) = {std::nullopt, status, std::move(reason)};
  }
  void Give(std::size_t quantity, Slot& slot) const {
    const Result& result = results_[quantity];
    if (result.value) return slot.Good(*result.value);
    slot.Bad(result.status, result.reason);
  }

 private:
  struct Result {
    std::optional<double> value;
    penumbra_status status = PENUMBRA_IO;
    std::string reason = "not measured";
  };
  Result& At(std::string_view quantity) {
    for (std::size_t i = 0; i < quantities_.size(); ++i) {
      if (quantity == quantities_[i].name) return results_[i];
    }
    throw std::logic_error("no such quantity: " + std::string(quantity));
  }
  std::span<const Quantity> quantities_;
  std::vector<Result> results_;
};

// For sensors that need nothing in common.
struct NoTransport {
  NoTransport(const Options&, Host) {}
};

namespace detail {

inline std::string NamesOf(std::span<const Quantity> quantities) {
  std::string names;
  for (const Quantity& quantity : quantities) names += (names.empty() ? "" : ", ") + std::string(quantity.name);
  return names;
}

// Which of the sensor's quantities a point shows: its key "quantity", else its name.
inline std::optional<std::size_t> QuantityOf(std::span<const Quantity> quantities, const Point& point) {
  const std::string name = point.options.Has("quantity") ? point.options.Text("quantity") : point.name;
  for (std::size_t i = 0; i < quantities.size(); ++i) {
    if (name == quantities[i].name) return i;
  }
  return std::nullopt;
}

}  // namespace detail

// The schema of the points: the one key "quantity".
inline std::string PointSchema(std::span<const Quantity> quantities) {
  Json names = Json::array();
  std::string help = "Which quantity of the sensor; the point's own name when it is left out.";
  for (const Quantity& quantity : quantities) {
    names.push_back(quantity.name);
    help += std::string(" ") + quantity.name + " (" + quantity.unit + "): " + quantity.help;
  }
  const Json key{{"type", "string"}, {"enum", names}, {"description", help}};
  return Json{{"type", "object"}, {"additionalProperties", false}, {"properties", {{"quantity", key}}}}.dump();
}

template <typename Sensor, typename Transport = NoTransport>
class SensorBus : public Bus {
 public:
  SensorBus(const Configuration& configuration, Host host) : transport_(configuration.bus, host) {
    things_.reserve(configuration.things.size());
    for (const Thing& thing : configuration.things) {
      std::vector<std::size_t> quantities;
      for (const Point& point : thing.points) {
        const auto quantity = detail::QuantityOf(Sensor::kQuantities, point);
        if (!quantity) throw Failure(PENUMBRA_BAD_OPTIONS, Complaint(point));
        quantities.push_back(*quantity);
      }
      things_.push_back({std::make_unique<Sensor>(transport_, thing, host), std::move(quantities)});
    }
  }

  void Read(const Call& call, std::size_t thing, std::span<const std::uint32_t> points,
            std::span<Slot> values) override {
    Measurement measurement(Sensor::kQuantities);
    things_[thing].sensor->Measure(call, measurement);
    for (std::size_t k = 0; k < points.size(); ++k) measurement.Give(things_[thing].quantities[points[k]], values[k]);
  }

  // For Definition: open and check.
  static std::unique_ptr<Bus> Open(const Configuration& configuration, Host host) {
    return std::make_unique<SensorBus>(configuration, host);
  }
  static void Check(const Configuration& configuration, Complain& complain) {
    for (std::size_t t = 0; t < configuration.things.size(); ++t) {
      const std::vector<Point>& points = configuration.things[t].points;
      for (std::size_t p = 0; p < points.size(); ++p) {
        if (detail::QuantityOf(Sensor::kQuantities, points[p])) continue;
        complain("/things/" + std::to_string(t) + "/points/" + std::to_string(p), Complaint(points[p]));
      }
    }
  }

 protected:
  Transport& transport() { return transport_; }
  Sensor& sensor(std::size_t thing) { return *things_[thing].sensor; }

 private:
  static std::string Complaint(const Point& point) {
    return "\"" + point.name + "\" is no quantity of this sensor; name the point so or give quantity, one of " +
           detail::NamesOf(Sensor::kQuantities);
  }
  struct Entry {
    std::unique_ptr<Sensor> sensor;
    std::vector<std::size_t> quantities;  // of each point
  };
  Transport transport_;
  std::vector<Entry> things_;
};

}  // namespace penumbra::kit

#endif
