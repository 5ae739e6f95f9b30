penumbra_fuzzer(api_target_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/api_target_fuzz.cpp LINK penumbra::api)
