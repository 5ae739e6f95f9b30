# cmake -DTEMPLATE=<folder> -DOUTPUT=<file.cpp> -P embed_template.cmake: the files of a new driver as string literals.
file(GLOB_RECURSE files RELATIVE ${TEMPLATE} ${TEMPLATE}/*)
list(SORT files)
set(entries "")
foreach(file ${files})
  file(READ ${TEMPLATE}/${file} text)
  # A raw string must not contain its own end; ours is long enough never to.
  string(APPEND entries "    {\"${file}\", R\"PENUMBRA_FILE(${text})PENUMBRA_FILE\"},\n")
endforeach()
file(WRITE ${OUTPUT} "// Generated from plugins/sdk/template.
#include \"cli/driver_template.hpp\"

namespace penumbra::cli {

std::span<const TemplateFile> DriverTemplate() {
  static const TemplateFile kFiles[] = {
${entries}  };
  return kFiles;
}

}  // namespace penumbra::cli
")
