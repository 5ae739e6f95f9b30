include(${PROJECT_SOURCE_DIR}/tests/iotcore/services.cmake)
penumbra_fuzzer(iotcore_packet_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/iotcore_packet_fuzz.cpp LINK penumbra_iotcore)
penumbra_fuzzer(iotcore_policy_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/iotcore_policy_fuzz.cpp LINK penumbra_iotcore)
penumbra_fuzzer(iotcore_services_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/iotcore_services_fuzz.cpp LINK penumbra_iotcore_services)
