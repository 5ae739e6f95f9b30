# Not a test: prints figures. Run it by hand, or with --json.
add_executable(driver_bench ${CMAKE_CURRENT_LIST_DIR}/driver_bench.cpp)
target_link_libraries(driver_bench PRIVATE penumbra_options penumbra::driver Boost::boost)
target_compile_definitions(driver_bench PRIVATE
  DRIVER_HOST="$<TARGET_FILE:driver-host>" DRIVERS_FOLDER="${PROJECT_BINARY_DIR}/drivers")
add_dependencies(driver_bench driver-host driver_sim)

# The table of plugins/sdk/ISOLATION.md.
add_executable(isolation_bench ${CMAKE_CURRENT_LIST_DIR}/isolation_bench.cpp)
target_link_libraries(isolation_bench PRIVATE penumbra_options penumbra::driver Boost::boost)
target_compile_definitions(isolation_bench PRIVATE
  DRIVER_HOST="$<TARGET_FILE:driver-host>" DRIVERS_FOLDER="${PROJECT_BINARY_DIR}/test-drivers")
add_dependencies(isolation_bench driver-host driver_sim test_driver_test_fault)
