// Foreign text on both sides of the API. As the text of a broker, driver or device it must come out as JSON; as the
// daemon's JSON (an older or newer daemon, or something else on the socket) it must become text without control
// characters.
#include <cstdlib>

#include "api/explain.hpp"
#include "api/render.hpp"
#include "cli/readings.hpp"
#include "cli/views.hpp"
#include "unit/api/fake_view.hpp"

namespace {

using namespace penumbra;

void CheckRendering(const std::string& text) {
  test::FakeView view;
  view.link().last_error = text;
  view.link().suspended_topics = {text};
  view.buses[0].reason = text;
  view.thing().points["temperature"].value.value = text;
  view.thing().points["temperature"].trouble = text;
  view.rows[0].reading.values[1].reason = text;
  if (!ParseJson(api::Text(api::RenderStatus(view)))) std::abort();
  if (!ParseJson(api::Text(api::RenderOutbox(view)))) std::abort();
  if (!ParseJson(api::RenderReadings(text, view.rows, false, false, 1000))) std::abort();
  api::ExplainInput in{.thing = view.config.things[0], .point = view.config.things[0].points[0]};
  in.status = view.thing();
  in.bus = view.buses[0];
  in.link = view.link();
  if (!ParseJson(api::Text(api::Render(api::Explain(in))))) std::abort();
}

void CheckPrintable(const std::string& text) {
  for (const char c : text) {
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == 0x7F) std::abort();
  }
}

void CheckViews(const Json& json) {
  constexpr std::int64_t kNow = 1'700'000'000'000;
  const cli::Style style{.color = false, .width = 80};
  CheckPrintable(cli::StatusView(json, style, kNow));
  CheckPrintable(cli::ThingsView(json, style, kNow));
  CheckPrintable(cli::ThingView(json, style, kNow));
  CheckPrintable(cli::OutboxView(json, style, kNow));
  CheckPrintable(cli::ExplainView(json, style));
  CheckPrintable(cli::ConfigView(json, style, true));
  CheckPrintable(cli::ConfigView(json, style, false));
  CheckPrintable(cli::ReadingsTable(cli::Rows(json, "points")).Page(cli::Rows(json, "readings"), style));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  CheckRendering(text);
  if (const auto json = ParseJson(text)) CheckViews(*json);
  return 0;
}
