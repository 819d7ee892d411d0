# Run at every build: writes OUT with the commit of SOURCE_DIR, but touches it only when that has changed.
# A release from an archive has no git: "unknown".
set(commit "")
find_program(GIT git)
if(GIT)
  execute_process(COMMAND ${GIT} -C ${SOURCE_DIR} rev-parse --show-toplevel
    OUTPUT_VARIABLE top OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  get_filename_component(here "${SOURCE_DIR}" REALPATH)
  if(top STREQUAL here) # not some repository around an unpacked archive
    execute_process(COMMAND ${GIT} -C ${SOURCE_DIR} describe --always --dirty --tags --abbrev=12
      OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
endif()
if(NOT commit)
  set(commit unknown)
endif()
file(WRITE ${OUT}.new "#define NNMPI_COMMIT \"${commit}\"\n")
execute_process(COMMAND ${CMAKE_COMMAND} -E copy_if_different ${OUT}.new ${OUT})
file(REMOVE ${OUT}.new)
