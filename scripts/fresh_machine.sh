#!/usr/bin/env bash
# Proves that a fresh Debian machine needs nothing but the README: makes a bare Debian root with debootstrap, clones the
# current commit into it, and runs the README's commands there. Ends with their exit codes and the counts of the tests.
#
#     scripts/fresh_machine.sh [bookworm|trixie] [options] [-- COMMAND…]
#
#     --cache DIR    keep the bare root and downloaded packages in DIR, and use them the next time
#     --keep         leave the root there, and say where
#     --user         as an ordinary user with sudo, not as root
#     --mirror URL   where Debian is; default: as this machine's own apt has it
#     -- COMMAND…    run this in the clone, instead of the two scripts with which the README begins
#
# The release is bookworm (Debian 12) unless told. Needs root, debootstrap, git and the right to mount. Everything runs in
# namespaces of its own: mounts and processes end with this script, however it ends.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$top/scripts/lib/common.sh"

release="" cache="" keep=no user=root mirror="" commands=()
arguments=("$@")
while [ $# -gt 0 ]; do
  case $1 in
    --cache | --mirror)
      [ $# -ge 2 ] || die "$1 needs a value"
      if [ "$1" = --cache ]; then cache=$2; else mirror=$2; fi
      shift
      ;;
    --keep) keep=yes ;;
    --user) user=tester ;;
    --)
      shift
      [ $# -gt 0 ] || die "no command behind --"
      commands=("$*")
      break
      ;;
    -h | --help)
      print_help "$0"
      exit 0
      ;;
    -*) die "what is '$1'? (--help says what there is)" ;;
    *) if [ -z "$release" ]; then release=$1; else die "two releases: $release and $1"; fi ;;
  esac
  shift
done
release=${release:-bookworm}
if [ ${#commands[@]} -eq 0 ]; then mapfile -t commands < <(grep -oE '^\./scripts/[a-z_]+\.sh' "$top/README.md" | head -n 2); fi
[ ${#commands[@]} -gt 0 ] || die "the README begins with no ./scripts/….sh"
[ "$(id -u)" -eq 0 ] || die "a root for another Debian is made by root: sudo $0 ${arguments[*]-}"
for tool in debootstrap git unshare; do have "$tool" || die "needs $tool: apt-get install debootstrap git util-linux"; done

# ---- once more, inside namespaces of its own --------------------------------------------------------------------------

if [ -z "${NNMPI_FRESH_INSIDE:-}" ]; then
  if [ -n "$cache" ]; then
    mkdir -p "$cache"
    cache=$(cd "$cache" && pwd)
  fi
  root=$(mktemp -d "${TMPDIR:-/var/tmp}/nnmpi-fresh-$release.XXXXXX")
  # shellcheck disable=SC2317 # called by the trap
  tidy() { if [ "$keep" = no ]; then rm -rf --one-file-system "$root"; else echo "kept: $root"; fi; }
  trap tidy EXIT
  export NNMPI_FRESH_INSIDE=1 NNMPI_FRESH_ROOT=$root
  status=0
  unshare --mount --pid --fork --kill-child --propagation private "$0" ${arguments[@]+"${arguments[@]}"} || status=$?
  exit "$status"
fi
root=$NNMPI_FRESH_ROOT
unset NNMPI_FRESH_INSIDE NNMPI_FRESH_ROOT

# ---- the bare root ----------------------------------------------------------------------------------------------------

# Where this machine's apt has Debian from: the first archive, and the one with security updates.
# shellcheck disable=SC2016 # apt's own variables
archives() { apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | sort -u; }
if [ -z "$mirror" ]; then
  mirror=$(archives | grep -E '/debian/?$' | head -n 1) || die "this machine's apt knows no Debian archive: say --mirror URL"
fi
security=$(archives | grep -E '/debian-security/?$' | head -n 1 || true)

if [ -z "$cache" ] || [ ! -f "$cache/$release.tar" ]; then
  say "Making a bare Debian ($release)"
  debootstrap --variant=minbase "$release" "$root" "$mirror" >"$root.log" 2>&1 || {
    tail -n 20 "$root.log" >&2
    rm -f "$root.log"
    die "debootstrap failed"
  }
  rm -f "$root.log"
  if [ -n "$cache" ]; then
    tar -C "$root" -cf "$cache/$release.tar.new" . && mv "$cache/$release.tar.new" "$cache/$release.tar"
  fi
else
  say "Unpacking a bare Debian ($release)"
  tar -C "$root" -xf "$cache/$release.tar"
fi

{
  echo "deb $mirror $release main"
  echo "deb $mirror $release-updates main"
  if [ -n "$security" ]; then echo "deb $security $release-security main"; fi
} >"$root/etc/apt/sources.list"

# What this machine's apt must know to reach the archive holds inside, too: proxies, credentials, certificates.
apt-config dump | grep -E '^(Acquire::(http|https|ftp|socks|Check|ForceIPv|Retries|AllowInsecure)|Dir::Etc::(SSL|proxy))' \
  >"$root/etc/apt/apt.conf.d/80outside" || true
if [ -f /etc/apt/auth.conf ]; then cp -p /etc/apt/auth.conf "$root/etc/apt/"; fi
if [ -d /etc/apt/auth.conf.d ]; then cp -pr /etc/apt/auth.conf.d "$root/etc/apt/"; fi
if [ -f /etc/ssl/certs/ca-certificates.crt ]; then
  mkdir -p "$root/etc/ssl/certs"
  cp -pL /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
fi
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
printf '127.0.0.1 localhost %s\n::1 localhost\n' "$(hostname)" >"$root/etc/hosts"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # packages start no services here
chmod +x "$root/usr/sbin/policy-rc.d"

mount --bind "$root" "$root" # what makes namespaces inside expects / to be a mount
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm" # of its own: what MPI leaves there goes away
mount -t tmpfs -o mode=755 tmpfs "$root/run"
if [ -n "$cache" ]; then
  mkdir -p "$cache/packages-$release"
  mount --bind "$cache/packages-$release" "$root/var/cache/apt/archives"
  echo 'APT::Keep-Downloaded-Packages "true";' >"$root/etc/apt/apt.conf.d/81keep"
fi

environment=(TERM="${TERM:-dumb}" LANG=C.UTF-8
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
for name in http_proxy https_proxy ftp_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY NO_COLOR; do
  if [ -n "${!name:-}" ]; then environment+=("$name=${!name}"); fi
done
as_root_inside() { env -i "${environment[@]}" DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"; }
as_user_inside() {
  env -i "${environment[@]}" HOME="$home" USER="$user" LOGNAME="$user" chroot --userspec="$user:$user" "$root" "$@"
}

# What somebody has who has cloned a repository: git; and an ordinary user: sudo.
say "Installing git"
wanted=(git)
if [ $user != root ]; then wanted+=(sudo); fi
as_root_inside sh -c 'apt-get -qq update && apt-get -qq -y install --no-install-recommends "$@"' sh "${wanted[@]}" \
  </dev/null >"$root/var/log/fresh.log" 2>&1 || { tail -n 20 "$root/var/log/fresh.log" >&2; die "apt-get failed in the bare root"; }
if [ $user != root ]; then
  as_root_inside useradd --create-home --shell /bin/bash "$user"
  echo "$user ALL=(ALL) NOPASSWD: ALL" >"$root/etc/sudoers.d/$user"
fi
home=$(as_root_inside getent passwd "$user" | cut -d: -f6)

commit=$(git -C "$top" -c safe.directory="$top" rev-parse HEAD)
git -c safe.directory="$top" clone --quiet --no-hardlinks "$top" "$root$home/nnmpi"
git -C "$root$home/nnmpi" checkout --quiet "$commit"
git -C "$root$home/nnmpi" remote remove origin
as_root_inside chown -R "$user:" "$home/nnmpi"
if [ -n "$(git -C "$top" -c safe.directory="$top" status --porcelain)" ]; then
  warn "what is not committed is not tested"
fi

# ---- the commands -----------------------------------------------------------------------------------------------------

results=() status=0
for command in "${commands[@]}"; do
  say "In Debian $release ($(cat "$root/etc/debian_version")), as $user: $command"
  code=0 start=$SECONDS
  as_user_inside bash -c "cd ~/nnmpi && $command" </dev/null 2>&1 | tee "$root/var/log/fresh.log" || code=$?
  counts=$(grep -aE '^[0-9]+ passed, [0-9]+ failed' "$root/var/log/fresh.log" | tail -n 1 || true)
  results+=("$(printf '%s: exit code %d after %d s%s' "$command" "$code" $((SECONDS - start)) "${counts:+; $counts}")")
  if [ "$code" -ne 0 ]; then status=1; fi
done
say "A fresh Debian $release, commit ${commit:0:12}:"
printf '%s\n' "${results[@]}"
exit $status
