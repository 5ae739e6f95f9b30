penumbra_fuzzer(wire_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/wire_fuzz.cpp LINK penumbra::driver)
penumbra_fuzzer(driver_output_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/driver_output_fuzz.cpp LINK penumbra::driver)
