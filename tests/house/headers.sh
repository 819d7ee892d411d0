#!/usr/bin/env bash
# Every public header compiles alone, and twice, as strict C11.
set -euo pipefail
cd "$(dirname "$0")/../.."
for header in include/nnmpi/*.h; do
  name=nnmpi/$(basename "$header")
  printf '#include <%s>\n#include <%s>\n' "$name" "$name" |
    "${CC:-cc}" -std=c11 -Wall -Wextra -Wpedantic -Werror -Iinclude -fsyntax-only -x c -
done
echo "$(find include/nnmpi -name '*.h' | wc -l) headers compile alone"
