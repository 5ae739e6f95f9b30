// What a store's worker without a thread has of a thing, through the queue that the loop uses.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "store/store_worker.hpp"

namespace penumbra::test {

inline Result<std::vector<StoredReading>> AllOf(StoreWorker& worker, const std::string& thing) {
  const auto result = std::make_shared<std::optional<Result<std::vector<StoredReading>>>>();
  Journal::QueryState state;
  state.query.thing = thing;
  state.query.limit = SIZE_MAX;
  worker.PushRequest([result, state](Journal* journal, Journal::Deadline) mutable {
    if (journal == nullptr) {
      *result = Fail(Action::kBackOff, "the store is in trouble");
      return true;
    }
    const Result<bool> complete = journal->ContinueQuery(state, Journal::Deadline::max());
    if (complete) {
      *result = std::move(state.found);
    } else {
      *result = Fail(complete.error());
    }
    return true;
  });
  for (int turn = 0; turn < 4 && !*result; ++turn) worker.Turn();
  return *result ? std::move(**result) : Fail(Action::kRetry, "no answer");
}

}  // namespace penumbra::test
