// What modules above share that keep tables of their own in the store's database (shadow, orders): their rows are read
// one by one, and one that is damaged costs itself. Store thread, but for LoadThrough.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "store/database.hpp"
#include "store/store.hpp"

namespace penumbra {

// A JSON object from a column; false marks a row that is not ours or is damaged.
bool TakeObject(const Statement& row, int column, Json& out);

// `read` for each row of a SELECT without parameters; the message of one that it refuses goes to `unreadable`.
Status ReadRows(Database& database, std::string_view select, const std::function<Status(const Statement&)>& read,
                std::vector<std::string>& unreadable);

// Loop thread: what `load` finds, on the loop. An error is the store's, and says what was being read.
template <typename Loaded>
void LoadThrough(Store& store, std::string what, Result<Loaded> (*load)(Database&),
                 std::function<void(Result<Loaded>)> done) {
  auto loaded = std::make_shared<Loaded>();
  const auto work = [loaded, load](Database& database) -> Status {
    auto read = load(database);
    if (!read) return Fail(read.error());
    *loaded = std::move(*read);
    return {};
  };
  store.Read(work, [loaded, what = std::move(what), done = std::move(done)](const Status& status) {
    if (!status) return done(Fail(status.error().WithContext("reading " + what)));
    done(std::move(*loaded));
  });
}

}  // namespace penumbra
