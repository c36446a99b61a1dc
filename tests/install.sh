#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What a user of the library gets: installs a build into a fresh prefix and uses it as the README says.
#
#     tests/install.sh [BUILD_DIRECTORY]
#
# Without an argument it is the build whose programs are in $VHDX_BIN. It must have the shared library, and no sanitizer.
# The C example of the README is taken out of the README, so that it cannot rot.
set -eu

build=$(cd "${1:-${VHDX_BIN:?is not set: the directory that holds the programs}/..}" && pwd)
source=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
prefix=$scratch/prefix
cd "$scratch"

ok() {
	echo "ok - $*"
}

fail() {
	echo "not ok - $*" >&2
	exit 1
}

cmake --install "$build" --prefix "$prefix" >install.log 2>&1 || { cat install.log; fail "cmake --install"; }
libraries=$(dirname "$(find "$prefix" -name libvhdx.a)")
for file in include/vhdx.h bin/vhdx-create bin/vhdx-inspect bin/vhdx-convert share/man/man1/vhdx-create.1 \
	share/man/man1/vhdx-inspect.1 share/man/man1/vhdx-convert.1; do
	[ -e "$prefix/$file" ] || fail "$file is not installed"
done
if [ -e "$build/bin/vhdx-mount" ]; then
	[ -e "$prefix/bin/vhdx-mount" ] && [ -e "$prefix/share/man/man1/vhdx-mount.1" ] || fail "vhdx-mount is not installed"
fi
if [ -e "$build/bin/nbdkit-vhdx-plugin.so" ]; then
	[ -e "$libraries/nbdkit/plugins/nbdkit-vhdx-plugin.so" ] && [ -e "$prefix/share/man/man1/nbdkit-vhdx-plugin.1" ] ||
		fail "the plugin of nbdkit is not installed"
fi
[ "$(cd "$prefix/include" && echo *)" = "vhdx.h vhdx_create.h vhdx_inspect.h vhdx_repair.h" ] || fail "not the four public headers are installed"
[ -e "$libraries/libvhdx.so" ] || fail "the shared library is not installed"
ok "files"

"$prefix/bin/vhdx-create" -q disk.vhdx 3M
"$prefix/bin/vhdx-create" -q --parent disk.vhdx child.vhdx
expected='3145728 bytes in 2 files'

# runs NAME PROGRAM
runs() {
	local printed
	printed=$(LD_LIBRARY_PATH=$libraries "$2" child.vhdx) || fail "$1: exit status $?"
	[ "$printed" = "$expected" ] || fail "$1: prints '$printed', not '$expected'"
	ok "$1"
}

awk '/^```/ { inside = !inside && $0 == "```c"; next } inside' "$source/README.md" >example.c
[ -s example.c ] || fail "the README has no C example"
warnings="-std=c11 -Wall -Wextra -Wpedantic -Werror"
package() {
	PKG_CONFIG_PATH=$libraries/pkgconfig pkg-config --define-prefix "$@" libvhdx
}
# shellcheck disable=SC2046,SC2086
cc $warnings example.c $(package --cflags --libs) -o shared
runs "pkg-config, shared library" ./shared
readelf -d shared | grep -q 'NEEDED.*libvhdx\.so' || fail "the program does not use the shared library"
[ "$(readelf -d "$libraries/libvhdx.so" | grep NEEDED | grep -vc 'libc\.so')" = 0 ] || fail "the library needs more than the C library"
# shellcheck disable=SC2046,SC2086
cc $warnings -static example.c $(package --cflags --static --libs) -o static
runs "pkg-config, static library" ./static
[ "$(package --modversion)" = "$(sed -n 's/.*VHDX_VERSION_STRING "\(.*\)"/\1/p' "$source/libvhdx/include/vhdx.h")" ] ||
	fail "the version of the package is not that of the header"

printf '#include <vhdx.h>\nint vhdx_header_alone;\n' >header.c
cc -std=c99 -Wall -Wextra -pedantic-errors -Werror -I "$prefix/include" -c header.c
ok "the header is C99"
if command -v c++ >/dev/null; then
	c++ -std=c++11 -Wall -Wextra -pedantic-errors -Werror -I "$prefix/include" -x c++ -c header.c
	ok "the header is C++"
fi

mkdir consumer
cp example.c consumer
cat >consumer/CMakeLists.txt <<'CMAKE'
cmake_minimum_required(VERSION 3.22)
project(consumer LANGUAGES C)
find_package(libvhdx 0.1 REQUIRED)
foreach(kind static shared)
	add_executable(with_${kind} example.c)
	target_link_libraries(with_${kind} PRIVATE libvhdx::vhdx_${kind})
endforeach()
CMAKE
{ cmake -G Ninja -S consumer -B consumer/build -DCMAKE_PREFIX_PATH="$prefix" && cmake --build consumer/build; } >consumer.log 2>&1 ||
	{ cat consumer.log; fail "find_package(libvhdx)"; }
runs "find_package, static library" consumer/build/with_static
runs "find_package, shared library" consumer/build/with_shared

[ "$("$prefix/bin/vhdx-inspect" --version)" ] || fail "vhdx-inspect --version prints nothing"
ok "the installed programs run"
