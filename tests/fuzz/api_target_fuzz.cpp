// Any request line that HTTP lets through: the first byte chooses the method, the rest is the target. Whatever comes,
// there is exactly one answer, JSON is JSON, and no error is a server error.
#include <cstdlib>

#include "api/routes.hpp"
#include "api/target.hpp"
#include "base/json.hpp"
#include "unit/api/fake_view.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace penumbra;
  if (size == 0) return 0;
  const std::string_view target(reinterpret_cast<const char*>(data + 1), size - 1);
  test::FakeView view;
  int answers = 0;
  api::Handle(view, {}, data[0] % 2 == 0 ? "GET" : "POST", target, "{}", [&answers](const api::Response& response) {
    ++answers;
    if (response.status >= 500) std::abort();
    if (response.content_type == "application/json" && !ParseJson(response.body)) std::abort();
  });
  if (answers != 1) std::abort();
  if (const auto decoded = api::PercentDecode(target);
      decoded && api::PercentDecode(api::PercentEncode(*decoded)) != decoded) {
    std::abort();
  }
  return 0;
}
