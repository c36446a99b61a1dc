#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The server is killed at random moments, and nothing that was flushed is lost (kill.c, kill-ext4.sh).
#
#     kill.sh [--nightly]       VHDX_TEST_KILL is the program of kill.c, VHDX_BIN the directory of the programs
#
# With --nightly 200 moments of each, else a few.
# shellcheck source=tests/serve/support.sh
. "$(dirname "$0")/support.sh"
moments=8 mounted=6
[ "${1-}" != --nightly ] || moments=200 mounted=200
: "${VHDX_TEST_KILL:?is not set: the program of kill.c}"

"$VHDX_TEST_KILL" "$plugin" . $moments ${SEED:+$SEED} || fail 'nbdkit was killed'
ok "nbdkit, killed $moments times"
status=0
bash "$serve_tests/kill-ext4.sh" --moments $mounted || status=$?
[ $status = 0 ] || [ $status = 77 ] || fail 'vhdx-mount was killed'
exit $status
