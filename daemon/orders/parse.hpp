// Foreign bytes to orders: the payloads of commands and executions, and job documents. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.hpp"
#include "orders/order.hpp"

namespace penumbra::orders {

inline constexpr std::size_t kMaxPayloadBytes = 32 * 1024;  // AWS's limit for a job document; no order is longer
inline constexpr std::size_t kMaxIdBytes = 64;
inline constexpr std::size_t kMaxActionBytes = 64;
inline constexpr std::size_t kMaxSetKeys = 32;
inline constexpr std::int64_t kMaxTtlMs = 7LL * 24 * 3600 * 1000;

struct Request {
  std::string id;      // "" : none, or none that is usable
  std::string action;  // "": none that is usable
  Json arguments = Json::object();
  std::int64_t asked_ms = 0;           // "timestamp", as milliseconds; 0: none
  std::optional<std::int64_t> ttl_ms;  // "ttl"
  // Empty, or why it is rejected, with the name of what is wrong. Then id and action are still there where they could
  // be read, for the answer.
  std::string fault;
};

// {"action":..,"id":..,"timestamp":ms,"ttl":"30s",...} as on commands/<thing>/# and in executions.
Request ParseCommand(std::string_view payload);

// A job document: {"operation":..} or {"action":..} with the keys of a command, or AWS's managed one,
// {"version":"1.0","steps":[{"action":{"name","type":"runHandler","input":{"handler":"reboot.sh"..}}}]}, as far as it
// says the same as one of ours (one step, the reboot handler).
Request ParseJobDocument(const Json& document);

}  // namespace penumbra::orders
