// Where orders survive: a small port, and SQLite behind it. The port exists so that a test can lose exactly what a kill
// loses. Loop thread; answers come on the loop thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "orders/book.hpp"
#include "store/store.hpp"

namespace penumbra::orders {

struct StoredOrders {
  std::map<std::string, std::vector<OrderRow>> things;
  std::vector<std::string> unreadable;  // one line for each row that had to be left out
};

class OrderStore {
 public:
  virtual ~OrderStore() = default;
  // Everything that is stored. Errors: the store's.
  virtual void Load(std::function<void(Result<StoredOrders>)> done) = 0;
  // One transaction; batches become durable in the order of the calls. `done` says when, or why not: then nothing of
  // the batch may be acted on.
  virtual void Save(const std::string& thing, std::vector<OrderRow> save, std::vector<OrderKey> forget,
                    std::function<void(Status)> done) = 0;
};

// Table remote_order by way of the store's group commit. `store` outlives it.
std::unique_ptr<OrderStore> MakeSqliteOrderStore(Store& store);

// What both sides of a transaction do; for tests that open a database of their own.
Status SaveOrders(Database& database, const std::string& thing, const std::vector<OrderRow>& save,
                  const std::vector<OrderKey>& forget);
Result<StoredOrders> LoadOrders(Database& database);

}  // namespace penumbra::orders
