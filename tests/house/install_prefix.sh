#!/usr/bin/env bash
# Without root, as docs/install-cluster.md says: an ordinary user has the compiler, MPI and HDF5 from the system, unpacks
# the other packages into a folder, builds, installs and runs nnmpi, and links a program of his own with it, through
# pkg-config and through CMake.
set -euo pipefail

skip() {
  echo "skipped: $*"
  exit 77
}

if [ "${1:-}" != inside ]; then
  for tool in apt-get dpkg setpriv pkg-config; do command -v $tool >/dev/null || skip "no $tool here"; done
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir "$work/source" "$work/home"
  tar -C "$NNMPI_SOURCE" -cf - --exclude='./build*' --exclude=./.git --exclude=./data --exclude=./runs . |
    tar -C "$work/source" -xf -
  user=()
  if [ "$(id -u)" -eq 0 ]; then
    chown -R nobody "$work"
    user=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
  fi
  cd "$work/home"
  status=0
  "${user[@]}" env -i PATH="$PATH" HOME="$work/home" LC_ALL=C.UTF-8 NNMPI_MPIRUN="${NNMPI_MPIRUN:-mpirun}" \
    bash "$work/source/tests/house/install_prefix.sh" inside || status=$?
  exit "$status"
fi

# ---- as the ordinary user, in a home of his own -----------------------------------------------------------------------

[ "$(id -u)" -ne 0 ] || { echo "still root"; exit 1; }
cores=$(nproc)

# quietly LOG COMMAND…: shows what it said only if it fails.
quietly() {
  local log=$1
  shift
  "$@" >"$log" 2>&1 || { echo "failed: $*"; cat "$log"; exit 1; }
}

# The -dev packages, and the libraries that they are for.
dev=(libyaml-dev zlib1g-dev libcmocka-dev)
mapfile -t libraries < <(apt-cache depends "${dev[@]}" 2>/dev/null |
  sed -nE 's/^ +\|?Depends: (libyaml-[0-9-]*|zlib1g|libcmocka[0-9]*)$/\1/p' | sort -u)
[ ${#libraries[@]} -ge 3 ] || skip "apt has no lists of packages (apt-get update)"
mkdir packages
(cd packages && apt-get -q download "${dev[@]}" "${libraries[@]}") >download.log 2>&1 ||
  { tail -n 3 download.log; skip "apt-get could not download"; }
for package in packages/*.deb; do dpkg -x "$package" deps; done

quietly cmake.log cmake -S ../source -B build -DCMAKE_PREFIX_PATH="$HOME/deps/usr" -DCMAKE_INSTALL_PREFIX="$HOME/nnmpi"
for library in yaml cmocka; do
  grep -q "^NNMPI_${library}_LIBRARY:.*=$HOME/deps/" build/CMakeCache.txt ||
    { echo "$library is not the one in the prefix:"; grep "_${library}_LIBRARY" build/CMakeCache.txt; exit 1; }
done
quietly build.log cmake --build build --parallel "$cores"
quietly install.log cmake --install build
for file in bin/nnmpi bin/nnmpi-plot bin/nnmpi-plot-predictions bin/nnmpi-plot-regions include/nnmpi/train.h; do
  [ -e "nnmpi/$file" ] || { echo "not installed: $file"; exit 1; }
done
ldd nnmpi/bin/nnmpi | grep "libyaml.*$HOME/deps/" >/dev/null || { echo "libyaml is not the one in the prefix:"; ldd nnmpi/bin/nnmpi; exit 1; }

# From here on only what was installed.
rm -rf build ../source packages
export PATH=$HOME/nnmpi/bin:$PATH
nnmpi --version
cat >xor.yaml <<'YAML'
data: {inline: {x: [[0, 0], [0, 1], [1, 0], [1, 1]], y: [0, 1, 1, 0]}}
model: {hidden: [8], activation: tanh}
train: {loss: cross_entropy, epochs: 5, batch_size: 4, optimizer: {name: sgd, lr: 0.1}}
YAML
read -ra launcher <<<"$NNMPI_MPIRUN"
quietly train.log "${launcher[@]}" -n 2 nnmpi xor.yaml
[ -s runs/xor/summary.json ] || { cat train.log; echo "no runs/xor/summary.json"; exit 1; }

cat >mine.c <<'C'
#include <nnmpi/checkpoint.h>
#include <stdio.h>

int main(void) {
  nn_trained *trained = NULL;
  const nn_status status = nn_trained_load("no-such-file.h5", &trained);
  printf("nnmpi %s says: %s\n", nn_version(), nn_error_last()->message);
  nn_trained_destroy(&trained);
  return status == NN_OK; /* it must not load */
}
C
export PKG_CONFIG_PATH
PKG_CONFIG_PATH=$(dirname "$(find nnmpi -name nnmpi.pc)")
read -ra flags <<<"$(pkg-config --cflags --libs nnmpi)"
quietly pkg-config.log cc -std=c11 -Wall -Werror mine.c -o mine-pkg-config "${flags[@]}"
./mine-pkg-config

mkdir mine
cat >mine/CMakeLists.txt <<'CMAKE'
cmake_minimum_required(VERSION 3.18)
project(mine C)
find_package(nnmpi 0.1 REQUIRED)
add_executable(mine ../mine.c)
target_link_libraries(mine PRIVATE nnmpi::nnmpi)
CMAKE
quietly mine.log cmake -S mine -B mine/build -DCMAKE_PREFIX_PATH="$HOME/nnmpi"
quietly mine.log cmake --build mine/build
mine/build/mine
echo "built, installed, run and linked from a prefix, as $(id -un)"
