# Messages a second through the guide's two rules, on one core. A program, not a timed test.
add_executable(rules_bench ${CMAKE_CURRENT_LIST_DIR}/rules_bench.cpp)
target_link_libraries(rules_bench PRIVATE penumbra_options penumbra::rules penumbra::model)
penumbra_optimised(rules_bench)
