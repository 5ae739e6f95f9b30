# Messages a second from outbox to PUBACK over TLS, against raw Paho in the same run. A program, not a timed test.
find_library(PAHO_MQTT3AS paho-mqtt3as REQUIRED)
add_executable(uplink_bench
  ${CMAKE_CURRENT_SOURCE_DIR}/uplink_bench.cpp ${PROJECT_SOURCE_DIR}/tests/component/mqtt/broker.cpp)
target_link_libraries(uplink_bench PRIVATE penumbra_options penumbra::uplink penumbra::store penumbra_test_support
  Boost::boost ${PAHO_MQTT3AS})
