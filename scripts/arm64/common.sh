# What build-arm64, test-arm64 and count-arm64 share: an arm64 Debian root to build against, and the emulator. Sourced, not run.
#
#   ARM_SUITE    trixie (default) or bookworm: the Debian that the programs are built for
#   ARM_CPU      emulated processor: cortex-a72 (default, Raspberry Pi 4), cortex-a76 (Pi 5), cortex-a53 (Pi 3)
#   ARM_MIRROR   Debian mirror (default: the one that apt uses)
# shellcheck shell=bash

ARM_SUITES=(bookworm trixie)
ARM_SUITE=${ARM_SUITE:-trixie}
case " ${ARM_SUITES[*]} " in *" $ARM_SUITE "*) ;; *) die "ARM_SUITE is one of ${ARM_SUITES[*]}, not $ARM_SUITE" ;; esac
[ "$(uname -m)" = x86_64 ] || die "this is for x86-64 machines; elsewhere use scripts/run and scripts/test"

arm_cache=${XDG_CACHE_HOME:-$HOME/.cache}/photofsck/arm64
arm_triple=aarch64-unknown-linux-gnu
arm_binaries=(photofsck photofsck-worker photofsck-worker-films)
# What cargo builds for it, and the programs, where builds for the tests do not get in the way.
arm_target=$top/target/arm64-$ARM_SUITE
arm_programs=$arm_target/programs
export ARM_ROOT=$arm_cache/$ARM_SUITE ARM_CPU=${ARM_CPU:-cortex-a72}

arm_mirror() {
  local mirror=${ARM_MIRROR:-}
  [ -n "$mirror" ] ||
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | sort -u | head -n 1)
  [ -n "$mirror" ] || die "apt knows no Debian mirror here; name one in ARM_MIRROR"
  echo "$mirror"
}

# Libraries and headers of arm64 Debian, unpacked only: nothing in it is run to make it.
install_root() {
  [ ! -e "$ARM_ROOT/.complete" ] || return 0
  local mirror
  mirror=$(arm_mirror)
  say "unpacking an arm64 root of Debian $ARM_SUITE into $ARM_ROOT (about 450 MB)"
  mkdir -p "$arm_cache"
  as_root rm -rf "$ARM_ROOT"
  as_root mmdebstrap --quiet --variant=extract --architectures=arm64 --mode=root \
    --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --aptopt='APT::Install-Recommends "false"' \
    --include=libc6-dev,libavcodec-dev,libavfilter-dev,libavformat-dev,libavutil-dev,libswscale-dev,libde265-dev,libdav1d-dev,libvips-tools \
    "$ARM_SUITE" "$ARM_ROOT" "$mirror"
  # The cross compiler looks for its C++ headers below the root.
  as_root mkdir -p "$ARM_ROOT/usr/aarch64-linux-gnu/include"
  as_root ln -sfn /usr/aarch64-linux-gnu/include/c++ "$ARM_ROOT/usr/aarch64-linux-gnu/include/c++"
  # The root's libraries may ask for a newer C++ library than the cross compiler's own: the root's is linked.
  as_root ln -sfn libstdc++.so.6 "$ARM_ROOT/usr/lib/aarch64-linux-gnu/libstdc++.so"
  as_root touch "$ARM_ROOT/.complete"
}

# Absolute links lead out of a root that is only unpacked, and the linker would take a static library instead of a shared one behind such a link.
keep_links_inside() {
  find "$ARM_ROOT/usr/lib/aarch64-linux-gnu" -maxdepth 1 -type l -lname '/*' -printf '%l %p\n' |
    while read -r target link; do as_root ln -sfn "../../..$target" "$link"; done
}

install_arm() {
  install_build_tools
  install_packages mmdebstrap debian-archive-keyring qemu-user gcc-aarch64-linux-gnu g++-aarch64-linux-gnu libc6-dev-arm64-cross
  install_root
  keep_links_inside
  [ -d "$(rustc --print sysroot)/lib/rustlib/$arm_triple" ] || {
    command -v rustup >/dev/null || die "this Rust has no standard library for $arm_triple and there is no rustup to add it"
    say "adding Rust's standard library for $arm_triple"
    rustup target add "$arm_triple"
  }
}

# Runs a command, cargo or one that starts it, with what it takes to build for arm64.
arm_build() {
  local libraries=$ARM_ROOT/usr/lib/aarch64-linux-gnu
  CARGO_TARGET_DIR=$arm_target \
  CARGO_BUILD_TARGET=$arm_triple \
  CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER="$top/scripts/arm64/linker" \
  CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-Clink-arg=--sysroot=$ARM_ROOT" \
  CFLAGS_aarch64_unknown_linux_gnu="--sysroot=$ARM_ROOT" \
  CXXFLAGS_aarch64_unknown_linux_gnu="--sysroot=$ARM_ROOT" \
  CC_x86_64_unknown_linux_gnu="$top/scripts/arm64/host-cc" \
  CMAKE_TOOLCHAIN_FILE_aarch64_unknown_linux_gnu="$top/scripts/arm64/toolchain.cmake" \
  PKG_CONFIG_ALLOW_CROSS_aarch64_unknown_linux_gnu=1 \
  PKG_CONFIG_SYSROOT_DIR_aarch64_unknown_linux_gnu="$ARM_ROOT" \
  PKG_CONFIG_LIBDIR_aarch64_unknown_linux_gnu="$libraries/pkgconfig:$ARM_ROOT/usr/share/pkgconfig" \
  BINDGEN_EXTRA_CLANG_ARGS_aarch64_unknown_linux_gnu="--sysroot=$ARM_ROOT --target=aarch64-linux-gnu" \
    "$@"
}

# Builds the programs into $arm_programs.
build_arm() {
  [ -d "$arm_programs" ] || say "building photofsck for arm64: the first time takes about ten minutes on two cores"
  (cd "$top" && arm_build cargo build --release --bins)
  mkdir -p "$arm_programs"
  local program
  for program in "${arm_binaries[@]}"; do cp -f "$arm_target/$arm_triple/release/$program" "$arm_programs/"; done
}

# The shared libraries that a program asks for by name.
needed() { readelf -dW "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'; }

# The Debian package of a shared library, by Debian's rule for their names: libde265.so.0 is in libde265-0.
package_of() {
  local name=${1%%.so.*} version=${1##*.so.}
  case $name in ld-linux-* | libm | libdl | libpthread | librt) name=libc version=6 ;; esac
  case $name in *[0-9]) name+=- ;; esac
  tr _ - <<<"$name$version"
}

# Debian's lists of arm64 packages in an apt of our own, which knows one suite.
arm_apt() {
  local folder=$arm_cache/lists-$1
  shift
  "$1" -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State="$folder" -o Dir::State::status="$folder/status" \
    -o Dir::Cache="$folder" -o Dir::Etc::sourcelist="$folder/sources" -o Dir::Etc::sourceparts=- -o APT::Sandbox::User= "${@:2}"
}

install_lists() {
  local folder=$arm_cache/lists-$1 mirror
  [ ! -e "$folder/complete" ] || return 0
  mirror=$(arm_mirror)
  mkdir -p "$folder/lists/partial" "$folder/archives/partial"
  : >"$folder/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $1 main" >"$folder/sources"
  arm_apt "$1" apt-get update
  touch "$folder/complete"
}

# Those of the packages that a suite has, with their versions.
versions_in() { arm_apt "$1" apt-cache madison "${@:2}" | awk -F ' *[|] *' '{sub(/^ +/, "", $1); print $1, $2}'; }
