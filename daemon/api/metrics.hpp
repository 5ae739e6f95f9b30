// /metrics: the gateway's figures as Prometheus text. Pure; loop thread (it asks the view).
// Source: https://prometheus.io/docs/instrumenting/exposition_formats/ (text format 0.0.4).
#pragma once

#include <string>

#include "api/gateway_view.hpp"
#include "api/server.hpp"

namespace penumbra::api {

std::string Metrics(const GatewayView& view, const ApiCounters& counters);

// A label value with what the format wants escaped.
std::string EscapeLabel(std::string_view text);

}  // namespace penumbra::api
