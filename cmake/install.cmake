# cmake --install: the program, the library, its headers, a pkg-config file, a CMake package.
include(CMakePackageConfigHelpers)

# Libraries in a prefix of the user's own are found again at run time; so is libnnmpi, where it is shared.
foreach(target libnnmpi nnmpi)
  if(TARGET ${target})
    set_target_properties(${target} PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}"
      INSTALL_RPATH_USE_LINK_PATH ON)
  endif()
endforeach()
install(TARGETS libnnmpi EXPORT nnmpiTargets)
if(TARGET nnmpi)
  install(TARGETS nnmpi)
endif()
install(DIRECTORY include/nnmpi DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
# The scripts that draw find what they share beside themselves: bin/ has links to them.
file(RELATIVE_PATH nnmpi_scripts ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_DATADIR}/nnmpi)
foreach(name plot:plot_history plot-regions:plot_regions plot-predictions:plot_predictions)
  string(REPLACE ":" ";" name ${name})
  list(GET name 0 program)
  list(GET name 1 script)
  install(PROGRAMS scripts/${script}.py DESTINATION ${CMAKE_INSTALL_DATADIR}/nnmpi)
  file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/links)
  file(CREATE_LINK ${nnmpi_scripts}/${script}.py ${PROJECT_BINARY_DIR}/links/nnmpi-${program} SYMBOLIC)
  install(FILES ${PROJECT_BINARY_DIR}/links/nnmpi-${program} DESTINATION ${CMAKE_INSTALL_BINDIR})
endforeach()
install(FILES scripts/plotting.py DESTINATION ${CMAKE_INSTALL_DATADIR}/nnmpi)
if(EXISTS ${PROJECT_SOURCE_DIR}/docs/nnmpi.1)
  install(FILES docs/nnmpi.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endif()
install(FILES LICENSE CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})

# ---- CMake package --------------------------------------------------------------------------------------------------

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/nnmpi)
string(REPLACE ":" ";" NNMPI_PREFIXES "$ENV{CMAKE_PREFIX_PATH}")
list(APPEND NNMPI_PREFIXES ${CMAKE_PREFIX_PATH})
configure_package_config_file(cmake/nnmpiConfig.cmake.in nnmpiConfig.cmake INSTALL_DESTINATION ${package})
write_basic_package_version_file(nnmpiConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/nnmpiConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/nnmpiConfigVersion.cmake
  cmake/dependencies.cmake DESTINATION ${package})
install(EXPORT nnmpiTargets NAMESPACE nnmpi:: DESTINATION ${package})

# ---- pkg-config -------------------------------------------------------------------------------------------------------

# A library where the linker looks by itself goes in as -lname; any other with its path, and so that it is found again
# at run time.
set(libs "")
foreach(library ${MPI_C_LIBRARIES} ${NNMPI_hdf5_LIBRARY} ${NNMPI_yaml_LIBRARY} ${ZLIB_LIBRARIES})
  get_filename_component(folder "${library}" DIRECTORY)
  get_filename_component(name "${library}" NAME_WE)
  if(folder IN_LIST CMAKE_C_IMPLICIT_LINK_DIRECTORIES OR NOT folder)
    string(REGEX REPLACE "^lib" "" name "${name}")
    string(APPEND libs " -l${name}")
  else()
    string(APPEND libs " ${library} -Wl,-rpath,${folder}")
  endif()
endforeach()
string(REPLACE ";" " " openmp "${OpenMP_C_FLAGS}")
string(APPEND libs " ${openmp} -lm")
if(NOT NNMPI_hdf5_LIBRARY)
  string(REPLACE ";" " " hdf5 "${HDF5_C_LIBRARIES}")
  string(APPEND libs " ${hdf5}")
endif()
if(BUILD_SHARED_LIBS)
  set(NNMPI_PC_LIBS "")
  set(NNMPI_PC_LIBS_PRIVATE "${libs}")
else() # a static library leaves its dependencies to whoever links it
  set(NNMPI_PC_LIBS "${libs}")
  set(NNMPI_PC_LIBS_PRIVATE "")
endif()
# Relative, so that the prefix can be moved.
file(RELATIVE_PATH NNMPI_PC_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
file(RELATIVE_PATH NNMPI_PC_INCLUDEDIR ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_FULL_INCLUDEDIR})
configure_file(cmake/nnmpi.pc.in nnmpi.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/nnmpi.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
