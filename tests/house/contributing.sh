#!/usr/bin/env bash
# CONTRIBUTING.md's "How to add a layer" does what it says: its file and its line, put into a copy of the source as they
# stand there, make a layer that passes the gradient test.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tar -C "$NNMPI_SOURCE" -cf - --exclude='./build*' --exclude=./.git --exclude=./data --exclude=./runs . |
  tar -C "$work" -xf -
cd "$work"
# shellcheck disable=SC2016 # the marks of a block in Markdown
sed -n '/^```c$/,/^```$/{ /^```/d; p; }' CONTRIBUTING.md >src/layers/affine.c
line=$(grep '^  X(affine)' CONTRIBUTING.md)
awk -v line="${line//\\/\\\\}" '{ print } /#define NN__LAYERS\(X\)/ { print line }' src/layers/internal.h >internal.h
mv internal.h src/layers/internal.h
grep -n 'X(affine)' src/layers/internal.h

quietly() { "$@" >log 2>&1 || { cat log; exit 1; }; }
quietly cmake -S . -B build -DCMAKE_BUILD_TYPE=Release -DNNMPI_WERROR=ON
quietly cmake --build build --parallel "$(nproc)" --target test_layers_gradient
build/tests/test_layers_gradient
if tool=$(command -v clang-format-14); then "$tool" --dry-run -Werror src/layers/affine.c; fi
