# Shared by the scripts: messages, and what machine this is. Sourced, never run.
# shellcheck shell=bash

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  bold=$'\033[1m' plain=$'\033[0m'
else
  bold="" plain=""
fi

# What the script is doing now.
say() { printf '%s==> %s%s\n' "$bold" "$*" "$plain"; }

note() { printf '    %s\n' "$*"; }

warn() { printf 'warning: %s\n' "$*" >&2; }

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# The comment at the head of a script is its help.
print_help() { sed -n '2,/^[^#]/ { /^#/ s/^# \{0,1\}//p }' "$1"; }

# Debian, Ubuntu and everything else that is made of Debian's packages.
is_debian_like() {
  have apt-get && have dpkg-query && [ -r /etc/os-release ] && (
    ID="" ID_LIKE=""
    # shellcheck source=/dev/null
    . /etc/os-release
    case " $ID $ID_LIKE " in *" debian "* | *" ubuntu "*) exit 0 ;; *) exit 1 ;; esac
  )
}

# Cores that this process may use. nproc would let OpenMP's variables change the answer.
allowed_cores() { env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc; }
