// What is on the line, and what is in a register: the questions "scan" and "read". Only reads, with functions 1 to 4,
// so that no device changes by them; each is one JSON object in and one object in one line for each find. One thread.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "modbus/answers.hpp"
#include "modbus/reader.hpp"

namespace penumbra::modbus {

struct Asked {
  enum class Status {
    kDone,
    kBadQuestion,
    kRefused,  // the unit answered no
    kNoLine,   // no answer, or nobody can be asked: no connection, no port
    kCancelled
  };
  Status status = Status::kDone;
  std::string error;  // one line for the operator
};

// How long one scan goes on before it gives the bus back to the polls.
inline constexpr std::int64_t kScanSliceNs = 2'000'000'000;

// {"ask":"scan","from":1,"to":247,"timeout_ms":...}: asks each unit for one register. For each that answers, with a
// value or with an exception, {"answer":"found","unit","reply","time_ms","thing"}: `thing` is the configured one or
// null. When the slice is over: {"answer":"next","next":{"from":N}}, the keys to ask on with.
Asked Scan(const nlohmann::json& question, const Configuration& configuration, Line& line, const Budget& budget,
           const Say& say);

// {"ask":"read","unit":3,"reads":[{"table","address","type","order",...},...]}, each as a point is configured:
// {"answer":"read","index","value"} or {...,"reason"} for each.
// {"ask":"read","unit":3,"table":"input","address":1,"count":2,"guess":22.5}: {"answer":"words","table","address",
// "words":["00E1",...]} and then {"answer":"decode","address","type","order","scale","value"} for everything that the
// words can mean, with a guess the nearest first, with "off_percent", and at most kMaxDecodes.
Asked ReadRaw(const nlohmann::json& question, const Configuration& configuration, Line& line, const Budget& budget,
              const Say& say);
inline constexpr std::size_t kMaxDecodes = 24;
inline constexpr std::size_t kMaxReads = 64;

}  // namespace penumbra::modbus
