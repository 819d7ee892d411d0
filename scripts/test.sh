#!/usr/bin/env bash
# Installs what the tests need (Debian packages; elsewhere it says what to install), builds nnmpi, runs its tests.
#
#     scripts/test.sh [--all] [--no-install] [-L LABEL]
#
#     --all         also the long tests, the tests under AddressSanitizer and UndefinedBehaviorSanitizer, and a minute of
#                   fuzzing; warnings are errors
#     --no-install  use what is there
#     -L LABEL      only tests with this label: unit, mpi, bad-input, cases, same-bits, survive, fuzz, slurm, house,
#                   long
#
# NNMPI_MNIST_DIR may name a folder with the four MNIST files (train-images-idx3-ubyte.gz …) for the tests that use them;
# NNMPI_TORCH_PYTHON a Python with PyTorch and h5py for docs/from-pytorch.md, if it is not the first in PATH.
# Ends with a line of counts; the exit code is 0 only if nothing failed.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib/common.sh
. scripts/lib/common.sh
# shellcheck source=scripts/lib/packages.sh
. scripts/lib/packages.sh
# shellcheck source=scripts/lib/build.sh
. scripts/lib/build.sh

all=no install=yes select=()
while [ $# -gt 0 ]; do
  case $1 in
    --all) all=yes ;;
    --no-install) install=no ;;
    -L)
      [ $# -ge 2 ] || die "-L needs a label"
      select=(-L "$2")
      shift
      ;;
    -h | --help)
      print_help "$0"
      exit 0
      ;;
    *) die "what is '$1'? (--help says what there is)" ;;
  esac
  shift
done

passed=0 failed=0 skipped=0
bad=() left_out=() # names, for the end

# run_tests FOLDER WHERE CTEST-ARGUMENT…: shows a line per test and what failed, and adds to the counts.
run_tests() {
  local folder=$1 where=$2 line name
  shift 2
  (cd "$folder" && ctest --parallel "$(allowed_cores)" --output-on-failure --no-tests=error "$@" 2>&1) |
    tee "$folder/tests.log" | sed -uE '/^ +Start |^(Internal ctest|Test project)/d; /^$/d; /^[0-9]+% tests passed/,$d' || true
  while IFS= read -r line; do
    name=$(printf '%s' "$line" | sed -E 's/^.*Test +#[0-9]+: ([^ ]+) .*$/\1/')
    case $line in
      *' Passed '*) passed=$((passed + 1)) ;;
      *'***Skipped '*)
        skipped=$((skipped + 1))
        left_out+=("$name$where$(why_skipped "$folder" "$name")")
        ;;
      *)
        failed=$((failed + 1))
        bad+=("$name$where")
        ;;
    esac
  done < <(grep -E '^ *[0-9]+/[0-9]+ +Test +#[0-9]+: ' "$folder/tests.log")
  if ! grep -qE '^ *[0-9]+/[0-9]+ +Test ' "$folder/tests.log"; then
    failed=$((failed + 1))
    bad+=("no test was run$where")
  fi
}

# A test that skips prints "skipped: …" with the reason.
why_skipped() {
  awk -v name="$2" '/^[0-9]+\/[0-9]+ Testing: / { mine = ($3 == name) }
    mine && /^skipped: / { sub(/^skipped/, ""); print; exit }' "$1/Testing/Temporary/LastTest.log"
}

# build_or_count FOLDER WHERE CMAKE-ARGUMENT…
build_or_count() {
  local folder=$1 where=$2
  shift 2
  if build_nnmpi "$folder" "$@"; then return 0; fi
  failed=$((failed + 1))
  bad+=("the build$where")
  return 1
}

# New inputs need Clang's libFuzzer; the corpus is among the other tests.
fuzz() {
  local folder=build-fuzz where=" by fuzzing"
  if ! can_fuzz; then
    skipped=$((skipped + 1))
    left_out+=("fuzz.inputs$where: needs Clang with libFuzzer and OpenMP (clang, libclang-rt-*-dev, libomp-dev)")
    return 0
  fi
  say "Building for fuzzing (build-fuzz)"
  build_or_count "$folder" "$where" -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DNNMPI_SANITIZE=address,undefined -DNNMPI_FUZZ=ON || return 0
  say "Fuzzing for a minute"
  run_tests "$folder" "$where" -L fuzz
}

can_fuzz() {
  local folder
  have clang || return 1
  folder=$(mktemp -d)
  printf '#include <omp.h>\nint LLVMFuzzerTestOneInput(const char *d, unsigned long n) { (void)d; return omp_in_parallel() + (int)(n - n); }\n' >"$folder/try.c"
  clang -fopenmp -fsanitize=fuzzer,address,undefined "$folder/try.c" -o "$folder/try" 2>/dev/null
  local ok=$?
  rm -rf "$folder"
  return $ok
}

finish() {
  local name
  for name in ${left_out[@]+"${left_out[@]}"}; do printf 'skipped: %s\n' "$name"; done
  for name in ${bad[@]+"${bad[@]}"}; do printf 'failed: %s\n' "$name"; done
  printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
  [ "$failed" -eq 0 ]
  exit
}

if [ $install = yes ]; then
  packages=("${packages_to_build[@]}" "${packages_to_test[@]}")
  if [ $all = yes ] || [ "${select[*]-}" = "-L slurm" ]; then packages+=("${packages_to_test_all[@]}"); fi
  install_packages "${packages[@]}"
fi

say "Building (build)"
warnings=OFF # are errors
if [ $all = yes ]; then warnings=ON; fi
build_or_count build "" -DNNMPI_TESTS=ON -DNNMPI_WERROR=$warnings || finish
say "Testing"
if [ $all = yes ] || [[ "${select[*]-}" =~ ^-L\ (long|slurm)$ ]]; then
  run_tests build "" ${select[@]+"${select[@]}"}
else
  run_tests build "" -LE long ${select[@]+"${select[@]}"}
fi

if [ $all = yes ]; then
  say "Building with sanitizers (build-asan)"
  if build_or_count build-asan " with sanitizers" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DNNMPI_SANITIZE=address,undefined; then
    say "Testing with sanitizers"
    run_tests build-asan " with sanitizers" -LE 'long|slurm|house' ${select[@]+"${select[@]}"}
  fi
  fuzz
fi
finish
