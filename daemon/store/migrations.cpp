#include "store/migrations.hpp"

#include <fmt/format.h>

#include "base/log.hpp"

namespace penumbra {
namespace {

Status Apply(Database& database, const Migration& migration) {
  if (const Status begun = database.Begin(); !begun) return begun;
  Status applied = database.Execute(std::string(migration.sql));
  // Within the transaction: a crash leaves either the old version or the new one.
  if (applied) applied = database.Execute(fmt::format("PRAGMA user_version={}", migration.version));
  if (applied) applied = database.Commit();
  if (applied) return {};
  database.Rollback();
  return Fail(applied.error().WithContext(fmt::format("migration {}", migration.name)));
}

}  // namespace

Status Migrate(Database& database, std::span<const Migration> migrations) {
  const Result<std::int64_t> version = database.Integer("PRAGMA user_version");
  if (!version) return Fail(version.error());
  const int newest = migrations.empty() ? 0 : migrations.back().version;
  if (*version > newest) {
    return Fail(Action::kFixConfig,
                fmt::format("{}: made by a newer Penumbra (schema {}, this one knows up to {}); install that version "
                            "again, or move the file away to start empty",
                            database.file().string(), *version, newest));
  }
  for (const Migration& migration : migrations) {
    if (migration.version <= *version) continue;
    if (const Status applied = Apply(database, migration); !applied) return applied;
    if (*version > 0) log::Notice("store.migrated", "schema brought up to date", {{"to", migration.version}});
  }
  // An older package looks into the file itself before it lets itself be installed over it, and knows nothing of a WAL.
  // Without room for the copy the WAL goes on holding everything; a disk that fails shows at the next commit.
  if (*version < newest) static_cast<void>(database.Checkpoint(false));
  return {};
}

}  // namespace penumbra
