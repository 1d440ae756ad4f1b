# Writes commit.h, where it changed: the commit this program is built from, "+" where files differ from it.
execute_process(COMMAND git -C ${SOURCE} describe --always --dirty=+ --abbrev=12 --exclude=* OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE
                ERROR_QUIET)
if(NOT commit)
  set(commit "unknown")
endif()
file(WRITE ${HEADER}.new "#pragma once\n\nnamespace palimpsest {\n\ninline constexpr const char* kCommit = \"${commit}\";\n\n}  // namespace palimpsest\n")
file(COPY_FILE ${HEADER}.new ${HEADER} ONLY_IF_DIFFERENT)
