# Against plain libmodbus in the same run; prints JSON with --json.
add_executable(modbus_bench ${CMAKE_CURRENT_LIST_DIR}/modbus_bench.cpp)
target_link_libraries(modbus_bench PRIVATE penumbra_options penumbra_sdk PkgConfig::MODBUS ${CMAKE_DL_LIBS})
target_compile_definitions(modbus_bench PRIVATE MODBUS_DRIVER="$<TARGET_FILE:driver_modbus>")
add_dependencies(modbus_bench driver_modbus)

# A power meter on a line of 9600 baud, read in three ways; prints times and ratios.
add_executable(modbus_line_bench ${CMAKE_CURRENT_LIST_DIR}/modbus_line_bench.cpp)
target_link_libraries(modbus_line_bench PRIVATE penumbra_options penumbra_sdk ${CMAKE_DL_LIBS} util)
target_compile_definitions(modbus_line_bench PRIVATE MODBUS_DRIVER="$<TARGET_FILE:driver_modbus>")
add_dependencies(modbus_line_bench driver_modbus)
