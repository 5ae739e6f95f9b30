// What a driver can be asked, and what its answers to writes and questions mean to those who asked. Pure. The answers
// come from foreign code: nothing in them is taken for granted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/error.hpp"
#include "base/ordered_json.hpp"
#include "driver/host_supervisor.hpp"
#include "driver/wire.hpp"

namespace penumbra {

// The wire::kCan... bits a driver needs to answer this question.
std::uint64_t NeededFor(const std::string& question);
// What a driver with these bits answers, as words for an error: "it answers plan, scan".
std::string CanAnswer(std::uint64_t capabilities);

// The objects as one array. kGiveUp: no JSON objects or too many; else the driver's own refusal.
Result<OrderedJson> ObjectsOf(const std::string& question, Result<HostSupervisor::AskReply> reply);

// The answer to the `index`th write of {"ask":"write"} (driver.h); one that is missing or makes no sense is kIo.
wire::WriteAnswer WriteAnswerAt(const OrderedJson& answers, std::size_t index);

// The device is there, whether it took the value or not.
bool IsAlive(const wire::WriteAnswer& answer);
Status StatusOf(const wire::WriteAnswer& answer);

}  // namespace penumbra
