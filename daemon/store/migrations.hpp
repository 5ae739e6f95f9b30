// The schema's versions: schema/NNNN_*.sql, in order, embedded when building, each applied in one transaction.
// Forward only. PRAGMA user_version is the number of the last one applied. Thread: whoever opens the store.
#pragma once

#include <span>
#include <string_view>

#include "store/database.hpp"

namespace penumbra {

struct Migration {
  int version;
  std::string_view name;  // of the file
  std::string_view sql;
};

// Generated from schema/*.sql (embed_migrations.cmake); versions 1, 2, 3, ...
std::span<const Migration> EmbeddedMigrations();

// Brings the database to the last of `migrations`. Error kFixConfig: it is from a newer Penumbra; kFatal: SQLite.
Status Migrate(Database& database, std::span<const Migration> migrations);

}  // namespace penumbra
