penumbra_fuzzer(shadow_message_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/shadow_message_fuzz.cpp LINK penumbra::shadow_core)
