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

# need COMMAND PACKAGE...: the command, from these Debian packages if it is missing.
need() {
  local command=$1
  shift
  if command -v "$command" >/dev/null; then
    return
  fi
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    # Asks for a password only where somebody can type one.
    as_root=(sudo)
    [ -t 0 ] || as_root+=(-n)
  fi
  if command -v apt-get >/dev/null && "${as_root[@]}" true 2>/dev/null; then
    echo "Installing $* (for the command $command) ..." >&2
    "${as_root[@]}" apt-get -qq update >&2
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get -qq install --yes --no-install-recommends "$@" >&2
  fi
  command -v "$command" >/dev/null ||
    give_up "The command $command is missing. Install it, then run this again. On Debian, as root:" \
      "  apt-get update && apt-get install $*"
}
