# cmake -DSCHEMA=<folder> -DOUTPUT=<file.cpp> -P embed_migrations.cmake: schema/NNNN_*.sql as string literals.
file(GLOB files ${SCHEMA}/[0-9][0-9][0-9][0-9]_*.sql)
list(SORT files)
set(entries "")
set(expected 0)
foreach(file ${files})
  get_filename_component(name ${file} NAME)
  string(SUBSTRING ${name} 0 4 number)
  string(REGEX REPLACE "^0+" "" number "${number}")
  math(EXPR expected "${expected} + 1")
  if(NOT number EQUAL expected)
    message(FATAL_ERROR "${name}: migrations are numbered without gaps, expected number ${expected}")
  endif()
  file(READ ${file} sql)
  string(APPEND entries "    {${number}, \"${name}\", R\"PENUMBRA_SQL(${sql})PENUMBRA_SQL\"},\n")
endforeach()
file(WRITE ${OUTPUT} "// Generated from schema/*.sql.
#include \"store/migrations.hpp\"

namespace penumbra {

std::span<const Migration> EmbeddedMigrations() {
  static const Migration kMigrations[] = {
${entries}  };
  return kMigrations;
}

}  // namespace penumbra
")
