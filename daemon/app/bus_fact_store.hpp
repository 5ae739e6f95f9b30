// Keeps what drivers have learned in the store's settings: "bus/<bus>/fact/<key>" holds the value, "bus/<bus>/facts"
// the list of keys, since settings cannot be listed. Loop thread.
#pragma once

#include "driver/bus_facts.hpp"
#include "store/store.hpp"

namespace penumbra {

// `store` outlives the keeper.
FactKeeper FactsIn(Store& store);

}  // namespace penumbra
