// Where shadows and commands survive: a small port, and SQLite behind it. The port exists so that a test can lose
// exactly what a kill loses. Loop thread; answers come on the loop thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "shadow/thing_shadows.hpp"
#include "store/store.hpp"

namespace penumbra::shadow {

struct StoredShadows {
  std::map<std::string, StoredThing> things;
  std::vector<std::string> unreadable;  // one line for each row that had to be left out
};

class ShadowStore {
 public:
  virtual ~ShadowStore() = default;
  // Everything that is stored. Errors: the store's.
  virtual void Load(std::function<void(Result<StoredShadows>)> done) = 0;
  // One transaction; batches become durable in the order of the calls. `done` says when, or why not: then nothing of
  // the batch may be acted on.
  virtual void Save(Batch batch, std::function<void(Status)> done) = 0;
};

// Tables shadow and command (schema/0002_shadow.sql) by way of the store's group commit. `store` outlives it.
std::unique_ptr<ShadowStore> MakeSqliteShadowStore(Store& store);

// What both sides of a transaction do; for tests that open a database of their own.
Status SaveBatch(Database& database, const Batch& batch);
Result<StoredShadows> LoadShadows(Database& database);

}  // namespace penumbra::shadow
