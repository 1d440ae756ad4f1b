# Embeds files in a target, as an assembler file that includes their bytes: as quick to compile for a megabyte as for a line.
#   embed_files(TARGET NAME FILE [NAME FILE ...])   defines palimpsest_NAME and palimpsest_NAME_end
function(embed_files target)
  set(text ".section .note.GNU-stack,\"\",%progbits\n.section .rodata\n")
  set(files "")
  set(pairs ${ARGN})
  while(pairs)
    list(POP_FRONT pairs name file)
    list(APPEND files ${file})
    string(APPEND text ".global palimpsest_${name}, palimpsest_${name}_end\n"
           "palimpsest_${name}:\n.incbin \"${file}\"\npalimpsest_${name}_end:\n.byte 0\n")
  endwhile()
  set(source ${CMAKE_CURRENT_BINARY_DIR}/embedded_files.s)
  file(CONFIGURE OUTPUT ${source} CONTENT "${text}" @ONLY)
  set_source_files_properties(${source} PROPERTIES LANGUAGE ASM OBJECT_DEPENDS "${files}")
  target_sources(${target} PRIVATE ${source})
endfunction()
