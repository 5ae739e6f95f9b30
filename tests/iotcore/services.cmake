# The stand-in's services beside the shadow, without I/O: the program links them, and so do tests that need no broker.
include_guard(GLOBAL)
add_library(penumbra_iotcore_services STATIC
  ${CMAKE_CURRENT_LIST_DIR}/answer_faults.cpp ${CMAKE_CURRENT_LIST_DIR}/certificates.cpp
  ${CMAKE_CURRENT_LIST_DIR}/commands_service.cpp ${CMAKE_CURRENT_LIST_DIR}/defender_service.cpp
  ${CMAKE_CURRENT_LIST_DIR}/jobs_service.cpp ${CMAKE_CURRENT_LIST_DIR}/lifecycle.cpp
  ${CMAKE_CURRENT_LIST_DIR}/provisioning_service.cpp ${CMAKE_CURRENT_LIST_DIR}/rules_service.cpp)
target_link_libraries(penumbra_iotcore_services PUBLIC penumbra::base penumbra::rules)
target_include_directories(penumbra_iotcore_services PUBLIC ${PROJECT_SOURCE_DIR}/tests)
