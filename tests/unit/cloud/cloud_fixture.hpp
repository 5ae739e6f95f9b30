// Two sensors and a gateway, as people configure them.
#pragma once

#include "model/settings.hpp"

namespace penumbra::test {

inline ThingSettings Sensor(const std::string& name) {
  ThingSettings thing;
  thing.name = name;
  thing.type = "TemperatureSensor";
  thing.attributes = {{"location", "warehouse-a"}, {"floor", "1"}};
  thing.groups = {"warehouse-sensors"};
  thing.topic = "sensors/" + name + "/temperature";
  thing.primary = "temperature";
  for (const char* point : {"temperature", "humidity"}) {
    PointSettings settings;
    settings.name = point;
    thing.points.push_back(settings);
  }
  return thing;
}

inline Settings TwoSensors() {
  Settings settings;
  settings.gateway.thing = "gateway-01";
  settings.upstream.endpoint = "example-ats.iot.us-east-1.amazonaws.com";
  settings.things = {Sensor("sensor-001"), Sensor("sensor-002")};
  return settings;
}

}  // namespace penumbra::test
