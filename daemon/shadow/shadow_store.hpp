// Where shadows and commands survive: a small port, and SQLite behind it. The port exists so that a test can lose
// exactly what a kill loses. Loop thread; answers come on the loop thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "shadow/thing_shadows.hpp"
#include "store/store.hpp"

namespace penumbra::shadow {

class ShadowStore {
 public:
  virtual ~ShadowStore() = default;
  // Everything that is stored, by thing. Error: from the store; kFatal also for rows that cannot be read.
  virtual void Load(std::function<void(Result<std::map<std::string, StoredThing>>)> done) = 0;
  // One transaction; batches become durable in the order of the calls. `done` says when, or why not: then nothing of
  // the batch may be acted on.
  virtual void Save(Batch batch, std::function<void(Status)> done) = 0;
};

// Tables shadow and command (schema/0002_shadow.sql) by way of the store's group commit. `store` outlives it.
std::unique_ptr<ShadowStore> MakeSqliteShadowStore(Store& store);

// What both sides of a transaction do; for tests that open a database of their own.
Status SaveBatch(Database& database, const Batch& batch);
Result<std::map<std::string, StoredThing>> LoadThings(Database& database);

}  // namespace penumbra::shadow
