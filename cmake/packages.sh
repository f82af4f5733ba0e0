# SPDX-FileCopyrightText: The Reprise authors
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash

# For cmake/bootstrap and .ci/run to source: note what is missing with need, then install_needed.

needed=()
lists_are_fresh=false

# need PACKAGE COMMAND...: notes the Debian package unless the command succeeds.
need() {
  local package=$1
  shift
  "$@" > /dev/null 2>&1 || needed+=("$package")
}

have() { command -v "$1"; }

# have_version MINIMUM VERSION
have_version() { [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

# lies_in KIND SYSTEM FILE: FILE is in the SYSTEM folder or below it, or in the folder KIND of where
# the environment points.
lies_in() {
  local place places
  IFS=: read -ra places <<< "/usr:/usr/local:${CMAKE_PREFIX_PATH:-}"
  for place in "${places[@]/%//$1}" "$2"/*-linux-gnu; do
    [ -e "$place/$3" ] && return 0
  done
  return 1
}

have_header() { lies_in include /usr/include "$1"; }
have_library() { lies_in lib /usr/lib "lib$1.so"; }

# have_openblas: not the reference BLAS alone, whose cblas.h is the same.
have_openblas() { have_header cblas.h && have_library openblas; }

# have_cccl3: a CUDA toolkit of version 13 or later, on PATH or where it usually lies.
have_cccl3() {
  local nvcc root
  nvcc=$(command -v nvcc) || nvcc=
  for root in "${nvcc:+$(dirname "$(readlink -f "$nvcc")")/..}" "${CUDA_PATH:-}" /usr/local/cuda*; do
    [ -n "$root" ] || continue
    grep -qE 'CCCL_VERSION_MAJOR ([3-9]|[1-9][0-9])' \
      "$root/lib64/cmake/cccl/cccl-config-version.cmake" 2> /dev/null && return 0
  done
  return 1
}

can_install() {
  have apt-get > /dev/null || return 1
  [ "$(id -u)" -eq 0 ] && return 0
  have sudo > /dev/null && { sudo -n true 2> /dev/null || [ -t 0 ]; }
}

# quietly_apt_get ARGUMENT...: its output shows only if it fails.
quietly_apt_get() {
  local as_root=() log status=0
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  log=$(mktemp)
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0 "$@" \
    < /dev/null > "$log" 2>&1 || status=$?
  [ "$status" -eq 0 ] || tail -n 20 "$log" >&2
  rm -f "$log"
  return "$status"
}

# Some fresh machines have no package lists at all. Failing is no matter yet: an old list may do.
refresh_lists() {
  if ! $lists_are_fresh && can_install; then
    quietly_apt_get update || true
    lists_are_fresh=true
  fi
}

# The version of a package that apt-get would install; nothing if it would not.
candidate() {
  can_install && apt-cache policy "$1" 2> /dev/null | sed -n 's/^ *Candidate: \([0-9]*:\)\?//p'
}

# Installs what need noted; where that is not possible, says what to install and fails.
install_needed() {
  [ ${#needed[@]} -gt 0 ] || return 0
  if can_install; then
    echo "Installing with apt-get: ${needed[*]}"
    refresh_lists
    if quietly_apt_get install -y --no-install-recommends "${needed[@]}"; then
      needed=()
      return 0
    fi
  fi
  echo "Cannot install. Please install these (Debian's names): ${needed[*]}" >&2
  return 1
}
