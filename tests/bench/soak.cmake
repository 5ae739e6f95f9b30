add_executable(soak ${CMAKE_CURRENT_SOURCE_DIR}/soak.cpp)
target_link_libraries(soak PRIVATE penumbra_options penumbra::uplink penumbra_test_support Boost::program_options)
