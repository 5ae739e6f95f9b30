# The stand-in's shadow service without I/O; the host links it, and so do tests that need no broker.
include_guard(GLOBAL)
add_library(penumbra_iotcore_shadow STATIC
  ${CMAKE_CURRENT_LIST_DIR}/shadow_document.cpp ${CMAKE_CURRENT_LIST_DIR}/shadow_host.cpp
  ${CMAKE_CURRENT_LIST_DIR}/shadow_service.cpp)
target_link_libraries(penumbra_iotcore_shadow PUBLIC penumbra::base)
target_include_directories(penumbra_iotcore_shadow PUBLIC ${PROJECT_SOURCE_DIR}/tests)
penumbra_optimised(penumbra_iotcore_shadow)
