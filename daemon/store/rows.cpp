#include "store/rows.hpp"

#include <utility>

namespace penumbra {

bool TakeObject(const Statement& row, int column, Json& out) {
  auto parsed = ParseJson(row.Bytes(column));
  if (!parsed || !parsed->is_object()) return false;
  out = std::move(*parsed);
  return true;
}

Status ReadRows(Database& database, std::string_view select, const std::function<Status(const Statement&)>& read,
                std::vector<std::string>& unreadable) {
  auto statement = database.Prepare(select);
  if (!statement) return Fail(statement.error());
  for (;;) {
    const auto row = statement->Step();
    if (!row) return Fail(row.error());
    if (!*row) return {};
    if (auto status = read(*statement); !status) unreadable.push_back(status.error().message);
  }
}

}  // namespace penumbra
