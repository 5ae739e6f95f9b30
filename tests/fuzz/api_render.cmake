penumbra_fuzzer(api_render_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/api_render_fuzz.cpp LINK penumbra::cli)
