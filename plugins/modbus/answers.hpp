// What the driver answers about itself when the gateway asks: its read plan, its counters, its last frames. Each answer
// is one JSON object in one line; nothing here touches the line. One thread.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "modbus/frame_log.hpp"
#include "modbus/options.hpp"
#include "modbus/reader.hpp"
#include "modbus/unit_counters.hpp"

namespace penumbra::modbus {

using Say = std::function<void(const std::string& json)>;

// For each request {"answer":"request","thing","unit","table","address","count","points":[names],"bytes","time_us"},
// and for each thing {"answer":"thing","thing","unit","points","requests","bytes","time_us","refused":[names],
// "max_words","max_bits"}: one poll of all its points. Times are predicted.
void SayPlan(const BusOptions& bus, std::span<const ThingReader> things, const Say& say);

// {"answer":"line","connects","connect_failures","stale_bytes","foreign","anomalies","anomaly"}, and for each unit that
// was asked {"answer":"unit","unit","requests","answers","timeouts",
// "bad_crc","bad_frames","late","foreign","withheld","exceptions":{"2":n},"last_answer_ms_ago","round_trip_ms":{"p50",
// "p90","p99"}}.
void SayCounters(const WireCounters& line, const std::map<std::uint8_t, UnitCounters>& units, std::int64_t now_ns,
                 const Say& say);

// {"answer":"line","transport","baud"} and, oldest first, {"answer":"frame","at_ns","kind","hex"} or, for a note, with
// "text" in place of "hex".
void SayFrames(const BusOptions& bus, const FrameLog& log, const Say& say);

}  // namespace penumbra::modbus
