# Functions that make tests of test programs and scripts. Names: test_comm_agree.c is comm.agree, under mpirun
# comm.agree.np3. A test that ends with 77 counts as skipped; it says why.

if(NNMPI_SANITIZE)
  set(NN_TIMEOUT_FACTOR 4)
else()
  set(NN_TIMEOUT_FACTOR 1)
endif()

# ---- environment ----------------------------------------------------------------------------------------------------

set(NN_MPIRUN ${MPIEXEC_EXECUTABLE})
execute_process(COMMAND ${MPIEXEC_EXECUTABLE} --version OUTPUT_VARIABLE nn_mpirun_version ERROR_QUIET)
if(nn_mpirun_version MATCHES "Open MPI|OpenRTE|PRRTE|prte")
  # All ranks are on this machine; Open MPI 5 complains where other networks than lo are not what it expects.
  list(APPEND NN_MPIRUN --oversubscribe --bind-to none --mca btl_tcp_if_include lo)
endif()
string(REPLACE ";" " " nn_mpirun_words "${NN_MPIRUN}")

# The first python3 that has h5py: another one in PATH may hide the system's.
if(NOT NN_PYTHON)
  foreach(candidate python3 /usr/bin/python3)
    execute_process(COMMAND ${candidate} -c "import sys, h5py; print(sys.executable)" RESULT_VARIABLE failed
      OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(failed EQUAL 0)
      set(NN_PYTHON "${found}" CACHE FILEPATH "Python 3 for tests, with h5py")
      break()
    endif()
  endforeach()
  if(NOT NN_PYTHON)
    find_program(NN_PYTHON python3)
  endif()
endif()

set(NN_TEST_ENVIRONMENT
  "NNMPI_SOURCE=${PROJECT_SOURCE_DIR}" "NNMPI_BUILD=${PROJECT_BINARY_DIR}" "NNMPI_MPIRUN=${nn_mpirun_words}"
  "NNMPI_PYTHON=${NN_PYTHON}" "NNMPI_TIMEOUT_FACTOR=${NN_TIMEOUT_FACTOR}" "LC_ALL=C.UTF-8")
execute_process(COMMAND id -u OUTPUT_VARIABLE nn_user OUTPUT_STRIP_TRAILING_WHITESPACE)
if(nn_user STREQUAL "0") # Open MPI asks root whether it means it
  list(APPEND NN_TEST_ENVIRONMENT OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    PRTE_ALLOW_RUN_AS_ROOT=1 PRTE_ALLOW_RUN_AS_ROOT_CONFIRM=1)
endif()
if(NNMPI_SANITIZE)
  # intercept_tls_get_addr=0: GCC 12's sanitizer guesses where a library's thread-local block begins from bytes in front
  # of it that may be anything, and then crashes while it looks for leaks.
  list(APPEND NN_TEST_ENVIRONMENT
    "ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:allocator_may_return_null=1:intercept_tls_get_addr=0"
    "UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1"
    "LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/lsan.supp:print_suppressions=0")
endif()

# nn_test_properties(name LABELS … TIMEOUT seconds PROCESSORS n [SERIAL])
function(nn_test_properties name)
  cmake_parse_arguments(T SERIAL "TIMEOUT;PROCESSORS" "LABELS" ${ARGN})
  math(EXPR timeout "${T_TIMEOUT} * ${NN_TIMEOUT_FACTOR}")
  set(environment ${NN_TEST_ENVIRONMENT})
  if(TARGET nnmpi)
    list(APPEND environment "NNMPI=$<TARGET_FILE:nnmpi>")
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${T_LABELS}" TIMEOUT ${timeout} PROCESSORS ${T_PROCESSORS}
    SKIP_RETURN_CODE 77 ENVIRONMENT "${environment}")
  if(T_SERIAL)
    set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
  endif()
endfunction()

# ---- tests ----------------------------------------------------------------------------------------------------------

function(nn_test_program name)
  add_executable(test_${name} test_${name}.c)
  target_link_libraries(test_${name} PRIVATE libnnmpi nnmpi_flags nnmpi::cmocka m)
  target_include_directories(test_${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR}/src)
  target_compile_definitions(test_${name} PRIVATE NN_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/data")
  if(NNMPI_SANITIZE)
    target_sources(test_${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/keep_modules.c)
  endif()
endfunction()

function(nn_test_name out program)
  string(REGEX REPLACE "^([^_]*)_(.*)$" "\\1.\\2" dotted ${program})
  set(${out} ${dotted} PARENT_SCOPE)
endfunction()

# nn_mpi_test(comm_agree 1 2 3 [LABELS …] [TIMEOUT seconds]): test_comm_agree.c under mpirun, on that many ranks each.
function(nn_mpi_test program)
  cmake_parse_arguments(M SERIAL "TIMEOUT" "LABELS" ${ARGN})
  if(NOT M_TIMEOUT)
    set(M_TIMEOUT 180)
  endif()
  nn_test_program(${program})
  nn_test_name(dotted ${program})
  foreach(ranks IN LISTS M_UNPARSED_ARGUMENTS)
    set(name ${dotted}.np${ranks})
    add_test(NAME ${name} COMMAND ${NN_MPIRUN} ${MPIEXEC_NUMPROC_FLAG} ${ranks} $<TARGET_FILE:test_${program}>)
    nn_test_properties(${name} LABELS mpi ${M_LABELS} TIMEOUT ${M_TIMEOUT} PROCESSORS 2)
    set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT OMP_NUM_THREADS=1)
  endforeach()
  set_property(GLOBAL APPEND PROPERTY NN_PROGRAMS_DONE ${program})
endfunction()

# nn_unit_test(kernels_gemm [LABELS …] [TIMEOUT seconds]): for those that want other than the defaults.
function(nn_unit_test program)
  cmake_parse_arguments(U SERIAL "TIMEOUT" "LABELS" ${ARGN})
  if(NOT U_TIMEOUT)
    set(U_TIMEOUT 120)
  endif()
  nn_test_program(${program})
  nn_test_name(name ${program})
  add_test(NAME ${name} COMMAND test_${program})
  nn_test_properties(${name} LABELS unit ${U_LABELS} TIMEOUT ${U_TIMEOUT} PROCESSORS 1)
  set_property(GLOBAL APPEND PROPERTY NN_PROGRAMS_DONE ${program})
endfunction()

# Every test_*.c that no call above has named.
function(nn_unit_tests_for_the_rest)
  get_property(done GLOBAL PROPERTY NN_PROGRAMS_DONE)
  file(GLOB files CONFIGURE_DEPENDS RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/test_*.c)
  foreach(file IN LISTS files)
    string(REGEX REPLACE "^test_(.*)\\.c$" "\\1" program ${file})
    if(NOT program IN_LIST done)
      nn_unit_test(${program})
    endif()
  endforeach()
endfunction()

# nn_script_test(bad_input.config cli/bad_config.py LABELS bad-input TIMEOUT 300 [SERIAL] [LIGHT] [ARGS …]): a .py or .sh of this
# folder. SERIAL: beside no other test; LIGHT: mostly waits, beside any other. It finds the program in $NNMPI, the launcher with its options in $NNMPI_MPIRUN, and the folders in
# $NNMPI_SOURCE and $NNMPI_BUILD.
function(nn_script_test name script)
  cmake_parse_arguments(S "SERIAL;LIGHT" "TIMEOUT" "LABELS;ARGS" ${ARGN})
  if(script MATCHES "\\.py$")
    set(interpreter ${NN_PYTHON})
  else()
    set(interpreter bash)
  endif()
  add_test(NAME ${name} COMMAND ${interpreter} ${CMAKE_CURRENT_SOURCE_DIR}/${script} ${S_ARGS})
  set(serial "")
  if(S_SERIAL)
    set(serial SERIAL)
  endif()
  set(processors 2)
  if(S_LIGHT)
    set(processors 1)
  endif()
  nn_test_properties(${name} LABELS ${S_LABELS} TIMEOUT ${S_TIMEOUT} PROCESSORS ${processors} ${serial})
endfunction()
