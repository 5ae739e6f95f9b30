penumbra_fuzzer(identity_answer_fuzz SOURCES identity_answer_fuzz.cpp LINK penumbra::identity)
