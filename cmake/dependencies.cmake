# Finds everything that nnmpi stands on, and names all that is missing at once. Used by nnmpi's own build, and installed
# beside nnmpiConfig.cmake for programs that link the library.
#
# In:   nnmpi_want_tests   cmocka is wanted, too
# Out:  nnmpi_missing      empty, or the text that says what to install; nnmpi_missing_names: "HDF5, zlib"
#       targets nnmpi::hdf5, nnmpi::yaml (nnmpi::cmocka), MPI::MPI_C, OpenMP::OpenMP_C, ZLIB::ZLIB
#
# HDF5 is looked for by header and library: its own CMake package and compiler wrapper also ask for
# what only their other users need (OpenCL, curl), or print paths that are wrong in a prefix.

set(nnmpi_missing "")
set(nnmpi_missing_names "")
set(nnmpi_missing_debian "")
find_package(PkgConfig QUIET)

# nnmpi_lacks(name purpose debian module conda spack): adds a paragraph to nnmpi_missing.
macro(nnmpi_lacks name purpose debian module conda spack)
  list(APPEND nnmpi_missing_names ${name})
  string(APPEND nnmpi_missing "  ${name}: ${purpose}\n"
    "      Debian, Ubuntu  apt-get install ${debian}\n"
    "      cluster         module load ${module}\n"
    "      conda           conda install -c conda-forge ${conda}\n"
    "      Spack           spack install ${spack}\n\n")
  string(APPEND nnmpi_missing_debian " ${debian}")
endmacro()

# nnmpi_find(target header names…, SUFFIXES, ROOTS, PC): an imported target from a header and a library. ROOTS are
# variables, of CMake or of the environment, that may hold the prefix; PC is a pkg-config module that may know it.
function(nnmpi_find target)
  cmake_parse_arguments(F "" "HEADER;PC" "NAMES;SUFFIXES;ROOTS" ${ARGN})
  set(hints "")
  foreach(root IN LISTS F_ROOTS)
    list(APPEND hints ${${root}} $ENV{${root}})
  endforeach()
  if(F_PC AND PkgConfig_FOUND)
    pkg_check_modules(NNMPI_PC_${target} QUIET ${F_PC})
    list(APPEND hints ${NNMPI_PC_${target}_PREFIX})
  endif()
  set(headers include)
  set(libraries lib lib64)
  if(CMAKE_LIBRARY_ARCHITECTURE)
    list(APPEND libraries lib/${CMAKE_LIBRARY_ARCHITECTURE})
  endif()
  foreach(suffix IN LISTS F_SUFFIXES)
    list(APPEND headers include/${suffix} ${suffix})
    list(APPEND libraries lib/${suffix} lib/${CMAKE_LIBRARY_ARCHITECTURE}/${suffix} ${suffix})
  endforeach()
  find_path(NNMPI_${target}_INCLUDE_DIR NAMES ${F_HEADER} HINTS ${hints} PATH_SUFFIXES ${headers})
  find_library(NNMPI_${target}_LIBRARY NAMES ${F_NAMES} NAMES_PER_DIR HINTS ${hints} PATH_SUFFIXES ${libraries})
  mark_as_advanced(NNMPI_${target}_INCLUDE_DIR NNMPI_${target}_LIBRARY)
  if(NNMPI_${target}_INCLUDE_DIR AND NNMPI_${target}_LIBRARY AND NOT TARGET nnmpi::${target})
    add_library(nnmpi::${target} UNKNOWN IMPORTED)
    set_target_properties(nnmpi::${target} PROPERTIES IMPORTED_LOCATION "${NNMPI_${target}_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${NNMPI_${target}_INCLUDE_DIR}")
  endif()
endfunction()

# nnmpi_header_version(out file prefix-of-macros): "1.14.5" from the MAJOR, MINOR, … macros of a header.
function(nnmpi_header_version out file)
  set(numbers "")
  if(EXISTS "${file}")
    foreach(macro IN LISTS ARGN)
      file(STRINGS "${file}" line REGEX "^#[ ]*define[ ]+${macro}[ ]+[0-9]+" LIMIT_COUNT 1)
      string(REGEX REPLACE "^#[ ]*define[ ]+${macro}[ ]+([0-9]+).*" "\\1" number "${line}")
      list(APPEND numbers ${number})
    endforeach()
  endif()
  string(REPLACE ";" "." numbers "${numbers}")
  set(${out} "${numbers}" PARENT_SCOPE)
endfunction()

find_package(MPI QUIET COMPONENTS C)
if(NOT TARGET MPI::MPI_C)
  nnmpi_lacks("MPI" "message passing between ranks (Open MPI 4.1 or newer, or MPICH)" "libopenmpi-dev openmpi-bin"
    "openmpi (or the site's own MPI: its mpicc must be in PATH)" openmpi openmpi)
endif()

find_package(OpenMP QUIET COMPONENTS C)
if(NOT TARGET OpenMP::OpenMP_C)
  nnmpi_lacks("OpenMP" "threads within a rank (a compiler that knows -fopenmp)" "gcc" "gcc" c-compiler gcc)
endif()

# hdf5.h of a parallel build includes mpi.h, which MPI::MPI_C brings. Modules often set no more than PATH.
find_program(NNMPI_H5CC NAMES h5cc h5pcc)
mark_as_advanced(NNMPI_H5CC)
get_filename_component(nnmpi_h5cc_root "${NNMPI_H5CC}" DIRECTORY)
get_filename_component(nnmpi_h5cc_root "${nnmpi_h5cc_root}" DIRECTORY)
nnmpi_find(hdf5 HEADER hdf5.h NAMES hdf5_serial hdf5 hdf5_openmpi hdf5_mpich
  SUFFIXES hdf5/serial hdf5/openmpi hdf5/mpich ROOTS HDF5_ROOT HDF5_DIR HDF5_HOME EBROOTHDF5 nnmpi_h5cc_root PC hdf5)
if(NOT TARGET nnmpi::hdf5)
  find_package(HDF5 QUIET COMPONENTS C) # a compiler wrapper, as on Cray, may know what no search finds
  if(HDF5_FOUND)
    add_library(nnmpi::hdf5 INTERFACE IMPORTED)
    set_target_properties(nnmpi::hdf5 PROPERTIES INTERFACE_LINK_LIBRARIES "${HDF5_C_LIBRARIES}"
      INTERFACE_INCLUDE_DIRECTORIES "${HDF5_C_INCLUDE_DIRS}")
  endif()
endif()
nnmpi_header_version(nnmpi_hdf5_version "${NNMPI_hdf5_INCLUDE_DIR}/H5public.h" H5_VERS_MAJOR H5_VERS_MINOR H5_VERS_RELEASE)
if(NOT TARGET nnmpi::hdf5 OR (nnmpi_hdf5_version AND nnmpi_hdf5_version VERSION_LESS 1.10))
  nnmpi_lacks("HDF5" "data sets, checkpoints, histories (the C library, 1.10 or newer, serial or parallel)" "libhdf5-dev"
    "hdf5" hdf5 hdf5)
endif()

nnmpi_find(yaml HEADER yaml.h NAMES yaml PC yaml-0.1 ROOTS YAML_ROOT EBROOTLIBYAML)
if(NOT TARGET nnmpi::yaml)
  nnmpi_lacks("libyaml" "configuration files" "libyaml-dev" "libyaml" yaml libyaml)
endif()

find_package(ZLIB QUIET)
if(NOT TARGET ZLIB::ZLIB)
  nnmpi_lacks("zlib" "gzipped input files, checksums of checkpoints" "zlib1g-dev" "zlib" zlib zlib)
endif()

if(nnmpi_want_tests)
  nnmpi_find(cmocka HEADER cmocka.h NAMES cmocka PC cmocka ROOTS CMOCKA_ROOT)
  if(NOT TARGET nnmpi::cmocka)
    nnmpi_lacks("cmocka" "unit tests only (-DNNMPI_TESTS=OFF builds without)" "libcmocka-dev" "cmocka" cmocka cmocka)
  endif()
endif()

if(nnmpi_missing)
  string(CONCAT nnmpi_missing "nnmpi lacks:\n\n" "${nnmpi_missing}"
    "All of it on Debian or Ubuntu:\n\n      apt-get install${nnmpi_missing_debian}\n\n"
    "Where it is in a folder of yours, say so (docs/install-cluster.md):\n\n"
    "      cmake -S . -B build -DCMAKE_PREFIX_PATH=$HOME/nnmpi-deps\n")
endif()
