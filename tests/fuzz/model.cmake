penumbra_fuzzer(defender_answer_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/defender_answer_fuzz.cpp LINK penumbra::model)
