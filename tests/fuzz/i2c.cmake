penumbra_fuzzer(i2c_answer_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/i2c_answer_fuzz.cpp LINK penumbra::i2c_sensors)
