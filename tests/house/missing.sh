#!/usr/bin/env bash
# CMake names everything that is missing at once. All of it is hidden from CMake here, which then has to fail.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
hide=(-DCMAKE_FIND_USE_CMAKE_SYSTEM_PATH=OFF -DCMAKE_FIND_USE_SYSTEM_ENVIRONMENT_PATH=OFF
  -DCMAKE_FIND_USE_CMAKE_ENVIRONMENT_PATH=OFF
  -G "Unix Makefiles" "-DCMAKE_MAKE_PROGRAM=$(command -v make)" "-DCMAKE_C_COMPILER=$(command -v "${CC:-cc}")")
for package in MPI OpenMP HDF5 ZLIB PkgConfig; do hide+=("-DCMAKE_DISABLE_FIND_PACKAGE_$package=ON"); done
if cmake -S "$NNMPI_SOURCE" -B "$work" "${hide[@]}" >"$work/out" 2>&1; then
  echo "CMake succeeded without any library"
  exit 1
fi
failed=0
for word in MPI OpenMP HDF5 libyaml zlib cmocka 'apt-get install' 'module load' conda Spack CMAKE_PREFIX_PATH \
  docs/install-cluster.md libopenmpi-dev libhdf5-dev libyaml-dev zlib1g-dev libcmocka-dev; do
  if ! grep -qF -- "$word" "$work/out"; then
    echo "not named: $word"
    failed=1
  fi
done
[ "$(grep -c 'CMake Error' "$work/out")" -eq 1 ] || { echo "more than one error"; failed=1; }
if [ "$failed" -ne 0 ]; then
  cat "$work/out"
  exit 1
fi
echo "everything that was hidden is named at once"
