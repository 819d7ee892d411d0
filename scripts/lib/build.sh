# Shared by the scripts: building, and running under MPI. Sourced after common.sh, never run.
# shellcheck shell=bash

# build_nnmpi FOLDER [CMAKE-ARGUMENT…]: configures and builds, quietly where there is nothing to say.
build_nnmpi() {
  local folder=$1 log
  shift
  if ! have cmake; then
    warn "no cmake here"
    return 1
  fi
  log=$(mktemp)
  if ! cmake -S . -B "$folder" "$@" >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    return 1
  fi
  if ! cmake --build "$folder" --parallel "$(allowed_cores)" >"$log" 2>&1; then
    grep -v '^\[ *[0-9]*%\]' "$log" >&2
    rm -f "$log"
    return 1
  fi
  grep -A 4 'warning:' "$log" >&2 || true
  rm -f "$log"
}

# mpi_command RANKS: sets the array `mpi` to the launcher with what it needs here.
mpi_command() {
  local mpirun
  mpirun=$(sed -n 's/^MPIEXEC_EXECUTABLE:[A-Z]*=//p' build/CMakeCache.txt)
  mpi=("${mpirun:-mpirun}" -n "$1")
  if "${mpi[0]}" --version 2>/dev/null | grep -E 'Open MPI|OpenRTE|PRRTE|prte' >/dev/null; then
    mpi+=(--oversubscribe --bind-to none)
    # All ranks are on this machine; Open MPI 5 complains where other networks than lo are not what it expects.
    if [ -z "${SLURM_JOB_ID:-}" ]; then export OMPI_MCA_btl_tcp_if_include=${OMPI_MCA_btl_tcp_if_include:-lo}; fi
    if [ "$(id -u)" -eq 0 ]; then # Open MPI asks root whether it means it
      export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
      export PRTE_ALLOW_RUN_AS_ROOT=1 PRTE_ALLOW_RUN_AS_ROOT_CONFIRM=1
    fi
  fi
}

# The first Python 3 that has the modules "$@": another one in PATH may hide the system's. Fails if there is none.
python_with() {
  local python imports
  imports=$(printf 'import %s\n' "$@")
  for python in python3 /usr/bin/python3; do
    if have "$python" && "$python" -c "$imports" 2>/dev/null; then
      printf '%s\n' "$python"
      return 0
    fi
  done
  return 1
}
