// What the user may write for this driver, as JSON Schemas: also its documentation, so every key says what it does.
// Combinations that a schema cannot judge are options.cpp's.
#pragma once

namespace penumbra::modbus {

extern const char* const kBusSchema;
extern const char* const kThingSchema;
extern const char* const kPointSchema;

}  // namespace penumbra::modbus
