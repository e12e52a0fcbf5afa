# What scripts/run and scripts/test share: system packages and the Rust toolchain. Sourced, not run.
# shellcheck shell=bash

RUST_MINIMUM=1.94

# Why each package is needed: docs/dependencies.md
BUILD_PACKAGES=(
  build-essential ca-certificates pkg-config cmake clang libclang-dev
  libavcodec-dev libavfilter-dev libavformat-dev libavutil-dev libswscale-dev
  libde265-dev libdav1d-dev
)
DEMO_PACKAGES=(python3 python3-pil ffmpeg libheif-examples libavif-bin libjxl-tools)
TEST_PACKAGES=(postgresql nginx-light util-linux-extra "${DEMO_PACKAGES[@]}")

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
die() { printf '%s\n' "$*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else die "not root and sudo is not installed; run this as root first: $*"
  fi
}

# Installs what is missing of the given Debian packages, and nothing else.
install_packages() {
  local missing=() package
  command -v dpkg-query >/dev/null || {
    say "no dpkg here: install what corresponds to: $*"
    return 0
  }
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing system packages: ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

version_at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

rust_is_new_enough() {
  command -v cargo >/dev/null && command -v rustc >/dev/null || return 1
  version_at_least "$(rustc --version | awk '{print $2}')" "$RUST_MINIMUM"
}

# An installed toolchain if it is new enough, else Debian's, else rustup; says which.
install_rust() {
  # Also for what cargo installs later.
  export PATH="$HOME/.cargo/bin:$PATH"
  if rust_is_new_enough; then return 0; fi
  local web=(cargo-web rustc-web rust-web-clippy rustfmt-web)
  if command -v apt-cache >/dev/null; then
    as_root apt-get update -qq || true
    local candidate
    candidate=$(apt-cache policy rustc-web 2>/dev/null | awk '/Candidate:/ {print $2}')
    if [ -n "$candidate" ] && [ "$candidate" != "(none)" ] && version_at_least "${candidate%%[+~-]*}" "$RUST_MINIMUM"; then
      say "installing Debian's Rust ${candidate}"
      as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${web[@]}" >/dev/null
      hash -r
      rust_is_new_enough && return 0
    fi
  fi
  if command -v rustup >/dev/null; then
    say "updating Rust with rustup"
    rustup toolchain install stable --profile minimal --component clippy --component rustfmt
    rustup default stable
    rust_is_new_enough && return 0
  fi
  die "Rust $RUST_MINIMUM or newer is needed and could not be installed by apt or rustup.
Install it from rustup.rs and run this again."
}

install_build_tools() {
  local packages=("${BUILD_PACKAGES[@]}")
  case "$(uname -m)" in x86_64 | i?86) packages+=(nasm) ;; esac
  install_packages "${packages[@]}"
  install_rust
}

# A cargo subcommand from the registry, built once; it works for seconds, which is not worth minutes of optimising.
install_cargo_tool() {
  command -v "$1" >/dev/null && return 0
  say "building $1 (once)"
  CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=64 \
    cargo install --quiet --locked "$1"
}

# Modules that a package.json names, from npm into a folder of the user's cache. Sets MODULES.
install_modules() {
  MODULES=${XDG_CACHE_HOME:-$HOME/.cache}/photofsck/$2
  if cmp -s "$1" "$MODULES/package.json" && [ -e "$MODULES/complete" ]; then return 0; fi
  say "installing from npm into $MODULES"
  mkdir -p "$MODULES"
  rm -f "$MODULES/complete"
  cp "$1" "$MODULES/package.json"
  (cd "$MODULES" && npm install --no-audit --no-fund --silent)
  touch "$MODULES/complete"
}

# sharp and thumbhash, which Immich makes its pictures with, and ExifTool, which it asks about them. Sets PEER_MODULES.
install_peers() {
  install_packages libimage-exiftool-perl
  command -v node >/dev/null && command -v npm >/dev/null || install_packages nodejs npm
  install_modules "$top/scripts/fidelity/package.json" peers
  export PEER_MODULES=$MODULES
}
