penumbra_fuzzer(config_fuzz SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/config_fuzz.cpp LINK penumbra::config)
