# shellcheck shell=bash
# Sourced by deploy/try and tests/run: finds what they need, or installs it, or says what to install.

# Stops with a message.
give_up() {
  printf '%s\n' "$@" >&2
  exit 1
}

# The Rust toolchain; rustup puts it where a login shell finds it, and other shells may not.
need_rust() {
  if ! command -v cargo >/dev/null && [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
    PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
    export PATH
  fi
  command -v cargo >/dev/null ||
    give_up "There is no Rust toolchain here. Install one from https://rustup.rs, then run this again."
}

# As root, where this user may become root: asks for a password only where somebody can type one.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif [ -t 0 ]; then
    sudo "$@"
  else
    sudo -n "$@"
  fi
}

# install WHY PACKAGE...: from Debian's packages, where there are any.
install_packages() {
  local why=$1
  shift
  command -v apt-get >/dev/null && as_root true 2>/dev/null || return 0
  echo "Installing $* ($why) ..." >&2
  as_root apt-get -qq update >&2
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends "$@" >&2
}

# need COMMAND PACKAGE...: the command, from these Debian packages if it is missing.
need() {
  local command=$1
  shift
  command -v "$command" >/dev/null || install_packages "for the command $command" "$@"
  command -v "$command" >/dev/null ||
    give_up "The command $command is missing. Install it, then run this again. On Debian, as root:" \
      "  apt-get update && apt-get install $*"
}

# Whether the programs of a Redis and a Postgres are here; Debian keeps Postgres's out of PATH.
has_servers() {
  command -v redis-server >/dev/null && command -v redis-cli >/dev/null || return 1
  command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}

# The servers that the tests start for themselves. Debian would start one of each for everybody, too: it is asked not
# to, by a policy for the time of the installation and by a setting for Postgres, which stays.
need_servers() {
  has_servers && return
  local packages=(redis-server redis-tools postgresql) policy=/usr/sbin/policy-rc.d ours=no
  local clusters=/etc/postgresql-common/createcluster.d
  if command -v apt-get >/dev/null && as_root true 2>/dev/null; then
    as_root mkdir -p "$clusters"
    echo "create_main_cluster = false" | as_root tee "$clusters/no-main-cluster.conf" >/dev/null
    if [ ! -e "$policy" ]; then
      ours=yes
      # 101: not to be started.
      printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
      as_root chmod +x "$policy"
    fi
  fi
  install_packages "servers of the tests' own" "${packages[@]}" || echo "apt-get did not succeed." >&2
  [ "$ours" = no ] || as_root rm -f "$policy"
  has_servers ||
    give_up "redis-server or Postgres is missing. Install them, then run this again. On Debian, as root:" \
      "  apt-get update && apt-get install ${packages[*]}"
}
