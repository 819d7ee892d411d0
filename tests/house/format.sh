#!/usr/bin/env bash
# Every C file is formatted as .clang-format says. Versions of clang-format differ: only 14 counts.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=14
tool=""
for candidate in clang-format-$version clang-format; do
  if "$candidate" --version 2>/dev/null | grep "version $version\." >/dev/null; then
    tool=$candidate
    break
  fi
done
if [ -z "$tool" ]; then
  echo "skipped: no clang-format $version here"
  exit 77
fi
find include src tests -name '*.[ch]' -print0 | xargs -0 "$tool" --dry-run -Werror
echo "formatted as .clang-format says ($tool)"
