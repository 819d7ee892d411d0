#!/usr/bin/env bash
# Every shell script is read by bash without complaint, and by shellcheck where that is installed.
set -euo pipefail
cd "$(dirname "$0")/../.."
mapfile -t scripts < <(find . \( -path './build*' -o -path ./.git \) -prune -o -type f -print | sort |
  xargs awk 'FNR == 1 { if (/^#!.*[\/ ](ba)?sh$/) print FILENAME; nextfile }')
for script in "${scripts[@]}"; do bash -n "$script"; done
if command -v shellcheck >/dev/null; then
  shellcheck --severity=style --external-sources --source-path=. "${scripts[@]}"
  echo "${#scripts[@]} scripts, nothing to complain about"
else
  echo "bash reads all ${#scripts[@]} scripts; no shellcheck here to say more"
fi
