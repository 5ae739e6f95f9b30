# The shadow conformance vectors and what runs them. The file can be given; beside the checkout lies the master copy in
# the project's home, and the copy here serves every other checkout.
include_guard(GLOBAL)
set(master ${PROJECT_SOURCE_DIR}/../shared/conformance/shadow-vectors.json)
if(NOT EXISTS ${master})
  set(master ${CMAKE_CURRENT_LIST_DIR}/shadow-vectors.json)
endif()
set(PENUMBRA_SHADOW_VECTORS ${master} CACHE FILEPATH "Shadow conformance vectors")
add_library(penumbra_shadow_vectors STATIC ${CMAKE_CURRENT_LIST_DIR}/shadow_vectors.cpp)
target_link_libraries(penumbra_shadow_vectors PUBLIC penumbra::model GTest::gtest)
target_include_directories(penumbra_shadow_vectors PUBLIC ${PROJECT_SOURCE_DIR}/tests)
target_compile_definitions(penumbra_shadow_vectors PRIVATE PENUMBRA_SHADOW_VECTORS="${PENUMBRA_SHADOW_VECTORS}")
