# Shared by the scripts: installing Debian packages. Sourced after common.sh, never run.
# shellcheck shell=bash

# "a|b" is satisfied by either; a is what gets installed. A name with ? is left out where the release does not have it.
# shellcheck disable=SC2034  # used by the scripts that source this
packages_to_build=(gcc libc6-dev make cmake pkg-config git
  "libopenmpi-dev|libmpich-dev" "openmpi-bin|mpich"
  "libhdf5-dev|libhdf5-openmpi-dev|libhdf5-mpich-dev" libyaml-dev zlib1g-dev)
# shellcheck disable=SC2034
packages_to_plot=(python3 python3-h5py python3-matplotlib python3-yaml)
# shellcheck disable=SC2034
packages_to_test=(libcmocka-dev "${packages_to_plot[@]}" "dataset-fashion-mnist?")
# shellcheck disable=SC2034
packages_to_test_all=(shellcheck "clang-format-14?" clang libomp-dev "libclang-rt-dev?"
  slurm-wlm munge libpmix-dev)

# What of "$@" is not installed, a line each.
missing_packages() {
  local installed wanted name found
  installed=" $(dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | tr '\n' ' ')"
  for wanted in "$@"; do
    found=no
    for name in ${wanted//[|?]/ }; do
      case "$installed" in *" $name "*) found=yes ;; esac
    done
    [ $found = yes ] || printf '%s\n' "${wanted%%|*}"
  done
}

# as_root COMMAND…: as it is for root, else through sudo; fails where neither is possible.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif [ -t 0 ]; then
    have sudo && sudo "$@"
  else
    have sudo && sudo -n "$@"
  fi
}

apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0 "$@" </dev/null; }

known_to_apt() { [ -n "$(apt-cache madison "$1" 2>/dev/null)" ]; }

# The names of "$@" that this release has, a line each; ends the script over one that it should have.
available_packages() {
  local name
  for name in "$@"; do
    if known_to_apt "${name%\?}"; then
      printf '%s\n' "${name%\?}"
    elif [ "${name%\?}" = "$name" ]; then
      die "apt knows no package $name (on Ubuntu: is 'universe' enabled?). docs/install-cluster.md says how to do without"
    fi
  done
}

# install_packages NAME…: installs what is missing. Where it cannot, it says what to install and returns: CMake then
# names what is really missing.
install_packages() {
  local missing log name
  if ! is_debian_like; then
    note "Not a Debian system, so nothing is installed. nnmpi needs a C compiler, make, CMake (3.18 or newer), MPI, HDF5,"
    note "libyaml, zlib, for the tests cmocka, and Python 3 with h5py and matplotlib for tests and plots."
    note "CMake names what it does not find; docs/install-cluster.md says how to get it."
    return 0
  fi
  mapfile -t missing < <(missing_packages "$@")
  if [ ${#missing[@]} -eq 0 ]; then return 0; fi
  if ! as_root true 2>/dev/null; then
    warn "not root, and no sudo: nothing is installed. An administrator can, with
      apt-get install ${missing[*]%\?}
  or do without (docs/install-cluster.md). Going on with what is here."
    return 0
  fi
  log=$(mktemp)
  for name in "${missing[@]}"; do
    if ! known_to_apt "${name%\?}"; then
      say "Updating the list of packages"
      apt update >"$log" 2>&1 || { cat "$log" >&2; warn "apt-get update failed; going on with the lists that are here"; }
      break
    fi
  done
  name=$(available_packages "${missing[@]}") || exit 1 # in a line of its own: mapfile would lose the exit status
  mapfile -t missing < <(printf '%s' "$name" | sed '/^$/d')
  if [ ${#missing[@]} -gt 0 ]; then
    say "Installing ${missing[*]}"
    # Lists that are too old name versions that are gone: then once more, with new ones.
    if ! apt install --no-install-recommends "${missing[@]}" >"$log" 2>&1 &&
      ! { apt update && apt install --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
      cat "$log" >&2
      rm -f "$log"
      die "apt-get could not install ${missing[*]}"
    fi
  fi
  rm -f "$log"
}
