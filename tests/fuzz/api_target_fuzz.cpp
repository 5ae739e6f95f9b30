// Any request that HTTP lets through: the first byte chooses the method, then the target up to a newline, then the
// body. Whatever comes, there is exactly one answer, JSON is JSON, and no error is a server error.
#include <algorithm>
#include <cstdlib>

#include "api/routes.hpp"
#include "api/target.hpp"
#include "base/json.hpp"
#include "unit/api/fake_view.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace penumbra;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::string_view target = text.substr(0, text.find('\n'));
  const std::string_view body = text.substr(std::min(target.size() + 1, text.size()));
  test::FakeView view;
  int answers = 0;
  api::Handle(view, {}, data[0] % 2 == 0 ? "GET" : "POST", target, body, [&answers](const api::Response& response) {
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
