penumbra_fuzzer(modbus_reply_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/modbus_reply_fuzz.cpp LINK penumbra::modbus_core)
penumbra_fuzzer(modbus_config_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/modbus_config_fuzz.cpp LINK penumbra::modbus_core)
penumbra_fuzzer(modbus_learned_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/modbus_learned_fuzz.cpp LINK penumbra::modbus_core)
penumbra_fuzzer(recording_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/recording_fuzz.cpp LINK penumbra::cli_local)
