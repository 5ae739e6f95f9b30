penumbra_fuzzer(store_row_fuzz SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/store_row_fuzz.cpp LINK penumbra::store)
penumbra_fuzzer(store_wal_fuzz SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/store_wal_fuzz.cpp LINK penumbra::store)
penumbra_fuzzer(store_pages_fuzz SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/store_pages_fuzz.cpp LINK penumbra::store)
penumbra_fuzzer(store_name_fuzz SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/store_name_fuzz.cpp LINK penumbra::store)
