#!/usr/bin/env bash
# From a clone to a trained network: installs what is missing (Debian packages; elsewhere it says what to install), builds
# nnmpi, makes a data set of Debian's copy of Fashion-MNIST, trains configs/fashion_mnist_mlp.yaml on up to four ranks,
# and draws the curves. Run again, it repeats nothing that is done.
#
#     scripts/quickstart.sh [--epochs N] [--restart] [--no-install]
#
#     --epochs N    instead of 50; run again with more to go on from there
#     --restart     train anew; the run before is set aside
#     --no-install  use what is there
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib/common.sh
. scripts/lib/common.sh
# shellcheck source=scripts/lib/packages.sh
. scripts/lib/packages.sh
# shellcheck source=scripts/lib/build.sh
. scripts/lib/build.sh

config=configs/fashion_mnist_mlp.yaml
data=data/fashion-mnist.h5
run=runs/fashion-mnist
install=yes options=()
while [ $# -gt 0 ]; do
  case $1 in
    --epochs)
      case ${2:-} in '' | *[!0-9]*) die "--epochs needs a number" ;; esac
      options+=(--set "train.epochs=$2")
      shift
      ;;
    --restart) options+=(--restart) ;;
    --no-install) install=no ;;
    -h | --help)
      print_help "$0"
      exit 0
      ;;
    *) die "what is '$1'? (--help says what there is)" ;;
  esac
  shift
done

if [ $install = yes ]; then
  install_packages "${packages_to_build[@]}" "${packages_to_plot[@]}" dataset-fashion-mnist
fi

say "Building build/nnmpi"
tests=()
if [ ! -f build/CMakeCache.txt ]; then tests=(-DNNMPI_TESTS=OFF); fi # scripts/test.sh turns them on
build_nnmpi build ${tests[@]+"${tests[@]}"} || die "the build failed: what is missing or wrong stands above"

if [ -f $data ] && build/nnmpi inspect $data >/dev/null 2>&1; then
  note "$data is there"
else
  say "Importing Fashion-MNIST into $data"
  from=${NNMPI_FASHION_MNIST_DIR:-/usr/share/datasets/fashion-mnist}
  [ -f "$from/train-images-idx3-ubyte.gz" ] || die "no Fashion-MNIST in $from. It is Debian's package dataset-fashion-mnist; elsewhere get the four
files train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz
and say where they are: NNMPI_FASHION_MNIST_DIR=FOLDER $0"
  mkdir -p data
  build/nnmpi import idx --images "$from/train-images-idx3-ubyte.gz" --labels "$from/train-labels-idx1-ubyte.gz" \
    --test-images "$from/t10k-images-idx3-ubyte.gz" --test-labels "$from/t10k-labels-idx1-ubyte.gz" \
    --class-names "T-shirt,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot" -o $data
fi

# A batch of 64 keeps four ranks busy. A run that was begun on fewer goes on with those.
ranks=$(allowed_cores)
if [ "$ranks" -gt 4 ]; then ranks=4; fi
if [ -f $run/config.yaml ]; then
  begun=$(sed -n 's/^ *virtual_ranks: *\([0-9][0-9]*\).*/\1/p' $run/config.yaml)
  if [ -n "$begun" ] && [ "$begun" -lt "$ranks" ]; then ranks=$begun; fi
fi
mpi_command "$ranks"
say "Training on $ranks ranks: ${mpi[*]##*/} build/nnmpi $config${options[*]:+ ${options[*]}}"
"${mpi[@]}" build/nnmpi $config ${options[@]+"${options[@]}"}

say "Drawing the curves"
curves="not drawn: no Python with h5py and matplotlib"
if python=$(python_with h5py matplotlib); then
  "$python" scripts/plot_history.py $run -o $run/curves.png
  curves=$run/curves.png
fi

# The last accuracy in the summary's line about the test set.
accuracy=$(sed -n 's/.*"test":.*"accuracy": *\([0-9.]*\).*/\1/p' $run/summary.json)
newest=$(find $run/checkpoints -name 'step-*.h5' | sort | tail -n 1)
say "Done"
note "test accuracy  $accuracy"
note "checkpoint     $newest"
note "history        $run/history.h5"
note "curves         $curves"
