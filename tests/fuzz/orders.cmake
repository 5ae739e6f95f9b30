penumbra_fuzzer(orders_message_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/orders_message_fuzz.cpp LINK penumbra::orders_core)
