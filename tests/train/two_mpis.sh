#!/usr/bin/env bash
# One MPI library or another: the same bits. Builds nnmpi once more with the library that it was not built with (MPICH where
# that was Open MPI), trains with both on several numbers of ranks, and compares the checkpoints.
set -euo pipefail

skip() {
  echo "skipped: $*"
  exit 77
}

first=$("$NNMPI" --version)
case $first in
  *MPICH*) other=openmpi package=libopenmpi-dev options=(--oversubscribe --bind-to none) ;;
  *"Open MPI"*) other=mpich package=mpich options=() ;;
  *) skip "only Open MPI and MPICH are compared" ;;
esac
compiler=$(command -v "mpicc.$other") || skip "no second MPI library: mpicc.$other (Debian: $package)"
launcher=$(command -v "mpiexec.$other") || skip "no second MPI library: mpiexec.$other (Debian: $package)"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake -S "$NNMPI_SOURCE" -B "$work/build" -DNNMPI_TESTS=OFF -DMPI_C_COMPILER="$compiler" >"$work/cmake.log" 2>&1 ||
  { cat "$work/cmake.log"; exit 1; }
cmake --build "$work/build" -j 2 --target nnmpi >"$work/make.log" 2>&1 || { tail -50 "$work/make.log"; exit 1; }
second=$("$work/build/nnmpi" --version)
case $other in
  mpich) [[ $second == *MPICH* ]] ;;
  openmpi) [[ $second == *"Open MPI"* ]] ;;
esac || { echo "the second build has not the second library: $second"; exit 1; }

cd "$work"
awk 'BEGIN { OFS = ","; srand(3); print "a,b,c,kind"; for (i = 0; i < 150; i++) print rand() + i % 3, rand(), rand() * 5, "k" i % 3 }' >t.csv
"$NNMPI" import csv t.csv --target kind -o t.h5 >/dev/null
cat >t.yaml <<'END'
data: {file: t.h5, normalize: standard, valid: test}
model: {layers: [{dense: {units: 24}}, tanh, {dropout: {rate: 0.3}}, dense]}
train: {loss: cross_entropy, epochs: 4, batch_size: 23, clip_norm: 1, optimizer: {name: adam, lr: 0.01}}
parallel: {virtual_ranks: 6}
END
read -ra mpirun <<<"$NNMPI_MPIRUN"
for ranks in 2 3 5; do
  OMP_NUM_THREADS=1 "${mpirun[@]}" -np "$ranks" "$NNMPI" t.yaml --quiet --set "run.name=first-$ranks"
  OMP_NUM_THREADS=2 "$launcher" ${options[@]+"${options[@]}"} -np "$ranks" "$work/build/nnmpi" t.yaml --quiet \
    --set "run.name=second-$ranks"
  newest=$(cd "runs/first-$ranks/checkpoints" && printf '%s\n' step-*.h5 | tail -1)
  for run in "first-$ranks" "second-$ranks"; do
    "$NNMPI" inspect "runs/first-2/checkpoints/$newest" "runs/$run/checkpoints/$newest" >compared ||
      { echo "first-2 and $run differ:"; cat compared; exit 1; }
    grep -q '^the same state: yes' compared
    cmp <(cut -d, -f1-7 runs/first-2/metrics.csv) <(cut -d, -f1-7 "runs/$run/metrics.csv")
  done
done
echo "the same bits with $(grep -m1 -oE 'Open MPI v?[0-9.]+|MPICH[^0-9]*[0-9.]+' <<<"$first") and $(grep -m1 -oE 'Open MPI v?[0-9.]+|MPICH[^0-9]*[0-9.]+' <<<"$second")"
