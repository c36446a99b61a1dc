#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The server is killed at random moments, and nothing that was flushed is lost (kill.c, kill-ext4.sh).
#
#     VHDX_BIN=build/release/bin tests/serve/kill.sh [--nightly]
#
# With --nightly 200 moments of each, else a few.
# shellcheck source=tests/serve/support.sh
. "$(dirname "$0")/support.sh"
moments=8 mounted=6
[ "${1-}" != --nightly ] || moments=200 mounted=200
program=${VHDX_TEST_KILL:-$VHDX_BIN/../tests/serve/vhdx-test-kill}

"$program" "$plugin" . $moments ${SEED:+$SEED} || fail 'nbdkit was killed'
ok "nbdkit, killed $moments times"
status=0
bash "$serve_tests/kill-ext4.sh" --moments $mounted || status=$?
[ $status = 0 ] || [ $status = 77 ] || fail 'vhdx-mount was killed'
exit $status
