penumbra_fuzzer(hwmon_number_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/hwmon_number_fuzz.cpp LINK penumbra::hwmon_sysfs)
