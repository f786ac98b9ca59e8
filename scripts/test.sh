#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# scripts/test.sh BUILD [--all] [pytest arguments]: unit tests and fuzz replays by ctest, the rest by pytest.
# BATON_EMULATED: builds of other architectures, whose unit tests run under qemu-user unless pytest arguments choose.
# The last line counts everything that ran.
set -u
build=$1
shift
cd "$(dirname "$0")/.." || exit 1
marks='not long'
if [ "${1:-}" = --all ]; then
	marks=''
	shift
fi
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
rig=
trap 'kill $rig 2>/dev/null; exit 130' INT # a job in the background ignores Ctrl-C
trap 'kill $rig 2>/dev/null; exit 143' HUP TERM

ctest --test-dir "$build" -j 2 --output-on-failure --output-junit "$results/ctest.xml" >"$results/ctest.log" 2>&1
ctest_status=$?
[ $ctest_status -eq 0 ] || cat "$results/ctest.log"

# A second try: the emulator can be too slow for tests of time-outs when the machine is busy.
[ $# -eq 0 ] || BATON_EMULATED=
for emulated in ${BATON_EMULATED:-}; do
	log=$results/ctest-$(basename "$emulated")
	ctest --test-dir "$emulated" -j 2 --repeat until-pass:2 --output-on-failure --output-junit "$log.xml" >"$log.log" 2>&1 || {
		ctest_status=1
		cat "$log.log"
	}
done

run_pytest() { # RESULTS TESTS...
	xml=$results/$1.xml
	shift
	BATON_BUILD=$build /usr/bin/python3 -m pytest -q -rs --durations=25 -p no:cacheprovider --timeout 300 -m "$marks" \
		--junit-xml "$xml" "$@"
}

if [ $# -gt 0 ]; then
	run_pytest pytest "$@"
	pytest_status=$?
else
	# Guests and the rest wait more than they work: side by side they take two thirds of the time.
	run_pytest pytest-rig tests/rig >"$results/rig.log" 2>&1 &
	rig=$!
	run_pytest pytest tests --ignore tests/rig
	pytest_status=$?
	wait $rig || pytest_status=1
	cat "$results/rig.log"
fi

/usr/bin/python3 scripts/count-tests.py "$results"/*.xml
counted=$?
[ $ctest_status -eq 0 ] && [ $pytest_status -eq 0 ] && [ $counted -eq 0 ]
