# Several sources compiled as one read their headers once and make each template once: a whole build takes half the time. An edit then compiles
# the file's neighbours too, so it is off for whoever edits.
option(PALIMPSEST_JOIN "compile several sources as one" OFF)

# Sources are looked at when configuring, so that is done again where one changed. Those with options of their own CMake leaves alone.
function(join_sources target)
  if(NOT PALIMPSEST_JOIN)
    return()
  endif()
  get_target_property(sources ${target} SOURCES)
  list(FILTER sources INCLUDE REGEX "^[a-z_]+\\.cc$")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${sources})
  execute_process(COMMAND ${venv}/bin/python ${CMAKE_SOURCE_DIR}/joined_sources.py ${CMAKE_SOURCE_DIR} 8 ${sources}
    WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} OUTPUT_VARIABLE lines OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  string(REPLACE "\n" ";" lines "${lines}")
  foreach(line ${lines})
    separate_arguments(files UNIX_COMMAND "${line}")
    list(GET files 0 first)
    cmake_path(GET first STEM group)
    set_source_files_properties(${files} PROPERTIES UNITY_GROUP ${group})
  endforeach()
endfunction()
