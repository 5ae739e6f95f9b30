# Compiler settings, and the functions with which each folder declares its library and its tests.

# Warnings that are off, and why:
#   missing-field-initializers: designated initialisers leave the rest at their defaults on purpose.
#   restrict, with optimisation: g++ 12 sees overlaps in "text" + std::string that are not there (GCC bug 105651), a
#   page of them in every release build.
add_library(penumbra_options INTERFACE)
target_compile_options(penumbra_options INTERFACE
  -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<CONFIG:Release,None>>:-Wno-restrict>
  $<$<BOOL:${PENUMBRA_WERROR}>:-Werror>)
target_include_directories(penumbra_options INTERFACE ${PROJECT_SOURCE_DIR}/daemon)
if(PENUMBRA_SANITIZE)
  add_compile_options(-fsanitize=${PENUMBRA_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${PENUMBRA_SANITIZE})
endif()
if(PENUMBRA_FUZZ)
  add_custom_target(fuzzers)
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
  add_link_options(-fsanitize=address,undefined)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
  # What ccache's manual asks for with precompiled headers.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE_PROGRAM})
endif()

# Parsing JSON, fmt and GoogleTest takes most of a file's compile time: with PENUMBRA_PCH it is done once for the modules (PIC) and
# once for the tests (PIE). The package and the release preset build without, so that every file still includes what it uses.
if(PENUMBRA_PCH)
  set(pch_headers <algorithm> <chrono> <functional> <map> <memory> <optional> <string> <string_view> <unordered_map>
    <variant> <vector> <fmt/format.h> <nlohmann/json.hpp> <tl/expected.hpp>)
  add_compile_options($<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-fpch-preprocess>)
endif()
# penumbra_use_pch(TARGET KIND): KIND is modules or tests; the first target of a kind brings the header's own target with it.
function(penumbra_use_pch target kind)
  if(NOT PENUMBRA_PCH)
    return()
  endif()
  if(NOT TARGET penumbra_pch_${kind})
    file(WRITE ${PROJECT_BINARY_DIR}/pch_${kind}.cpp "int main() { return 0; }\n")
    if(kind STREQUAL "tests")
      add_executable(penumbra_pch_${kind} ${PROJECT_BINARY_DIR}/pch_${kind}.cpp)
      target_link_libraries(penumbra_pch_${kind} PRIVATE penumbra_options nlohmann_json::nlohmann_json fmt::fmt GTest::gtest GTest::gmock)
      target_compile_options(penumbra_pch_${kind} PRIVATE ${PENUMBRA_TEST_FLAGS})
      target_precompile_headers(penumbra_pch_${kind} PRIVATE ${pch_headers} <gmock/gmock.h> <gtest/gtest.h>)
    else()
      add_library(penumbra_pch_${kind} STATIC ${PROJECT_BINARY_DIR}/pch_${kind}.cpp)
      target_link_libraries(penumbra_pch_${kind} PRIVATE penumbra_options nlohmann_json::nlohmann_json fmt::fmt)
      target_precompile_headers(penumbra_pch_${kind} PRIVATE ${pch_headers})
    endif()
  endif()
  target_precompile_headers(${target} REUSE_FROM penumbra_pch_${kind})
endfunction()

# penumbra_optimised(TARGET...): also in the dev preset, which otherwise compiles for a quick build: tests that run these ten
# thousand times would take minutes. Without the precompiled header, whose flags are others.
function(penumbra_optimised)
  foreach(target ${ARGN})
    target_compile_options(${target} PRIVATE $<$<CONFIG:RelWithDebInfo>:-O2>)
    set_target_properties(${target} PROPERTIES DISABLE_PRECOMPILE_HEADERS ON)
  endforeach()
endfunction()

# penumbra_module(NAME SOURCES a.cpp ... LINK penumbra::base ... PRIVATE vendor ...)
# LINK is what the module's headers need; PRIVATE stays inside its .cpp files (vendor libraries).
function(penumbra_module name)
  cmake_parse_arguments(M "" "" "SOURCES;LINK;PRIVATE" ${ARGN})
  add_library(penumbra_${name} STATIC ${M_SOURCES})
  add_library(penumbra::${name} ALIAS penumbra_${name})
  target_link_libraries(penumbra_${name} PUBLIC penumbra_options ${M_LINK} PRIVATE ${M_PRIVATE})
  penumbra_use_pch(penumbra_${name} modules)
endfunction()

# penumbra_test(NAME SOURCES a_test.cpp ... LINK penumbra::store ... [TIMEOUT seconds] [LABELS unit])
# Each GoogleTest case becomes a ctest case with a hard timeout.
function(penumbra_test name)
  cmake_parse_arguments(T "" "TIMEOUT" "SOURCES;LINK;LABELS;DEFINITIONS" ${ARGN})
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 300)
  endif()
  add_executable(${name} ${T_SOURCES})
  target_link_libraries(${name} PRIVATE penumbra_options ${T_LINK} fmt::fmt nlohmann_json::nlohmann_json
    GTest::gtest GTest::gmock GTest::gtest_main)
  target_compile_options(${name} PRIVATE ${PENUMBRA_TEST_FLAGS})
  penumbra_use_pch(${name} tests)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_compile_definitions(${name} PRIVATE ${T_DEFINITIONS})
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 300
    PROPERTIES TIMEOUT ${T_TIMEOUT} LABELS "${T_LABELS}")
endfunction()

# The sources of a test that read files of the project (config/, tests/iotcore/policy.json): they alone are told where it
# lies, so that a compiler cache can share all the others between checkouts.
function(penumbra_reads_source_tree)
  set_source_files_properties(${ARGN} PROPERTIES COMPILE_DEFINITIONS PENUMBRA_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
endfunction()

# penumbra_fuzzer(NAME SOURCES x_fuzz.cpp LINK penumbra::x): a libFuzzer program with PENUMBRA_FUZZ; in every
# other build the same file runs over its corpus in tests/fuzz/corpus/NAME as an ordinary test, so it cannot rot.
function(penumbra_fuzzer name)
  cmake_parse_arguments(F "" "" "SOURCES;LINK" ${ARGN})
  if(PENUMBRA_FUZZ)
    add_executable(${name} ${F_SOURCES})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fuzzers)
    add_dependencies(fuzzers ${name})
  else()
    add_executable(${name} ${F_SOURCES} ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus_main.cpp)
    add_test(NAME fuzz_corpus.${name}
      COMMAND ${name} ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name})
    set_tests_properties(fuzz_corpus.${name} PROPERTIES TIMEOUT 300 LABELS fuzz)
  endif()
  target_link_libraries(${name} PRIVATE penumbra_options ${F_LINK})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
endfunction()

# penumbra_driver(NAME SOURCES ...): a driver plugin NAME.so beside the others of the build tree.
function(penumbra_driver name)
  cmake_parse_arguments(D "" "" "SOURCES;PRIVATE" ${ARGN})
  add_library(driver_${name} MODULE ${D_SOURCES})
  set_target_properties(driver_${name} PROPERTIES PREFIX "" OUTPUT_NAME ${name}
    LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/drivers
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  target_link_libraries(driver_${name} PRIVATE penumbra_sdk ${D_PRIVATE})
  install(TARGETS driver_${name} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/penumbra/drivers)
endfunction()
