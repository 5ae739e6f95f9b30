penumbra_fuzzer(rules_text_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/rules_text_fuzz.cpp LINK penumbra::rules)
penumbra_fuzzer(rules_payload_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/rules_payload_fuzz.cpp LINK penumbra::rules)
penumbra_fuzzer(rules_zone_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/rules_zone_fuzz.cpp LINK penumbra::rules)
