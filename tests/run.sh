#!/bin/bash
# SPDX-License-Identifier: MIT
#
# From nothing to passed tests: see --help.
set -eu
cd "$(dirname "$0")/.."

usage() {
	cat <<'TEXT'
usage: tests/run.sh [--quick] [--no-install] [-j N]

Installs what is missing with apt-get (as root or through sudo), builds, and runs all tests:

  release   gcc, optimised: every test
  mingw     for Windows: the library's tests run under Wine, its programs and their zip are tested with Wine in the release run
  asan      gcc with AddressSanitizer, UndefinedBehaviorSanitizer and the leak check: every test but those labelled slow
  tsan      gcc with ThreadSanitizer: the test of threads
  clang     compiled only
  fuzz      clang with libFuzzer and the two sanitizers: a fixed number of runs of each fuzz target

Warnings are errors everywhere. The builds are in build/<name>, what they and the tests print in build/log. The last line
counts the tests of all runs. A test that is skipped counts as failed, except those that need the real images when there are none
($VHDX_SAMPLES with its manifest.json, or ../shared/images), those that need Wine when it cannot be installed, and those that mount
where this machine does not let them (tests/serve/able.sh tries).

  --quick        release only, and not the programs for Windows
  --no-install   install nothing
  -j N           N jobs at once; as many as there are processors

Exit status: 0 all passed, 1 something failed, 2 usage.
TEXT
}

quick=no install=yes jobs=$(nproc)
while [ $# -gt 0 ]; do
	case $1 in
	--quick) quick=yes ;;
	--no-install) install=no ;;
	-j) [ $# -gt 1 ] || { usage >&2; exit 2; }; jobs=$2; shift ;;
	-j?*) jobs=${1#-j} ;;
	-h | --help) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
	shift
done
case $jobs in
'' | *[!0-9]* | 0) usage >&2; exit 2 ;;
esac

needed=(gcc g++ libc6-dev cmake ninja-build pkg-config zlib1g-dev libxxhash-dev libcriterion-dev libssl-dev libvhdi-dev
	qemu-utils libvhdi-utils p7zip-full xxhash libext2fs-dev xz-utils jq mandoc valgrind strace clang-format
	e2fsprogs xfsprogs btrfs-progs dosfstools exfatprogs mtools f2fs-tools ntfs-3g
	libxml2-utils nbdkit nbdkit-plugin-dev libnbd-bin libnbd-dev fio libfuse3-dev fuse3 fdisk)
[ $quick = yes ] || needed+=(clang libclang-rt-14-dev gcc-mingw-w64-x86-64 libz-mingw-w64-dev unzip)
images=${VHDX_SAMPLES:-}
if [ -z "$images" ] && [ -f ../shared/images/manifest.json ]; then
	images=$PWD/build/images
	needed+=(python3)
fi
if [ $install = yes ]; then
	tools/setup.sh "${needed[@]}"
	[ $quick = yes ] || tools/setup.sh --optional wine wine64
fi

log=build/log
mkdir -p $log
rm -f $log/*
export PATH=$PATH:/usr/sbin:/sbin CTEST_OUTPUT_ON_FAILURE=1
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:${ASAN_OPTIONS:-} UBSAN_OPTIONS=print_stacktrace=1:${UBSAN_OPTIONS:-}
passed=0 failed=0 skipped=0 broken=() closing=()

# step NAME COMMAND... : one line for it; on failure the end of what it printed.
step() {
	local name=$1 status=0 start=$SECONDS
	shift
	printf '%-16s' "$name"
	"$@" >"$log/${name// /-}.log" 2>&1 </dev/null || status=$?
	if [ $status = 0 ]; then
		printf 'done, %d s\n' $((SECONDS - start))
		return 0
	fi
	printf 'FAILED, exit status %d; the end of %s:\n' $status "$log/${name// /-}.log"
	tail -n 40 "$log/${name// /-}.log"
	broken+=("$name")
	return 1
}

# build PRESET [option of cmake --build...]
build() {
	# shellcheck disable=SC2016
	step "$1 build" bash -c 'cmake --preset "$1" && cmake --build --preset "$@"' build "$@" -j "$jobs"
}

# Tests that may be skipped on this machine.
may_be_skipped() {
	case $1 in
	*golden*) [ -z "$images" ] || ! { [ -f "$images/manifest.json" ] || [ -f ../shared/images/manifest.json ]; } ;;
	cli/inspect) [ -z "$images" ] ;;
	cli/windows | cli/wine-* | fuzz/windows) [ -z "${VHDX_WINE_BIN:-}" ] || ! command -v wine >/dev/null ;;
	serve/chains) [ -z "$images" ] || ! tests/serve/able.sh fuse >/dev/null ;;
	serve/mount | serve/kill) ! tests/serve/able.sh fuse loop >/dev/null ;;
	serve/filesystems) ! tests/serve/able.sh fuse loop ext4 xfs btrfs ntfs >/dev/null ;;
	*) false ;;
	esac
}

# tests PRESET [option of ctest...]: runs them, and counts by the report.
tests() {
	local preset=$1 report=$PWD/$log/$1-tests.xml name status under=()
	shift
	printf '\n%s\n' "--- tests of $preset"
	# on some kernels ThreadSanitizer finds no room unless addresses are not random
	if [ "$preset" = tsan ] && setarch -R true 2>/dev/null; then
		under=(setarch -R)
	fi
	"${under[@]}" ctest --preset "$preset" -j "$jobs" --no-tests=error --output-junit "$report" "$@" </dev/null 2>&1 | tee "$log/$preset-tests.log" ||
		true
	[ -s "$report" ] || { broken+=("$preset tests: no report"); return 0; }
	while IFS=$'\t' read -r name status; do
		case $status in
		run) passed=$((passed + 1)) ;;
		notrun | disabled)
			skipped=$((skipped + 1))
			may_be_skipped "$name" || broken+=("$preset: $name was skipped, and should not be")
			;;
		*)
			failed=$((failed + 1))
			broken+=("$preset: $name failed")
			;;
		esac
	done < <(sed -n 's/.*<testcase name="\([^"]*\)".* status="\([a-z]*\)".*/\1\t\2/p' "$report")
	closing+=("--- $preset" "$(sed -n '/tests passed,/,$p' "$log/$preset-tests.log")")
}

if [ -n "$images" ] && [ "$images" = "$PWD/build/images" ]; then
	step "images" ../shared/images/unpack.sh "$images" || images=
fi
[ -z "$images" ] || export VHDX_SAMPLES=$images

build release && native=yes || native=no
if [ $quick = no ] && build mingw --target package; then
	export VHDX_WINE_BIN=$PWD/build/mingw/bin
fi
[ "$native" = no ] || tests release
if [ -n "${VHDX_WINE_BIN:-}" ] && command -v wine >/dev/null; then
	export WINEPREFIX=$PWD/build/wine WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml='
	timeout 300 wineboot -i >/dev/null 2>&1 </dev/null || true
	if timeout 60 wine "$VHDX_WINE_BIN/vhdx-create.exe" --version >/dev/null 2>&1 </dev/null; then
		tests mingw
	else
		echo "wine does not run here: no tests of mingw"
	fi
	wineserver -k 2>/dev/null || true
fi
unset VHDX_WINE_BIN WINEPREFIX
if [ $quick = no ]; then
	printf '\n'
	if build asan; then
		VHDX_GOLDEN_SMALL=1 tests asan -LE slow
	fi
	printf '\n'
	if build tsan --target vhdx-test-threads; then
		tests tsan -R '^threads$'
	fi
	printf '\n'
	build clang || true
	printf '\n'
	if build fuzz; then
		ASAN_OPTIONS=$ASAN_OPTIONS:quarantine_size_mb=16 tests fuzz -R '^fuzz/run/'
	fi
fi

printf '\n'
[ ${#closing[@]} = 0 ] || printf '%s\n' "${closing[@]}"
[ ${#broken[@]} = 0 ] || printf 'FAILED: %s\n' "${broken[@]}"
printf '%d s in all\n' $SECONDS
echo "$passed passed, $failed failed, $skipped skipped"
[ ${#broken[@]} = 0 ]
