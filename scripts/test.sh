#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# scripts/test.sh BUILD [--all] [pytest arguments]: unit tests and fuzz replays by ctest, the rest by pytest.
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
trap 'rm -rf "$results"' EXIT INT TERM

ctest --test-dir "$build" -j 2 --output-on-failure --output-junit "$results/ctest.xml" >"$results/ctest.log" 2>&1
ctest_status=$?
[ $ctest_status -eq 0 ] || cat "$results/ctest.log"

BATON_BUILD=$build /usr/bin/python3 -m pytest -q -rs -p no:cacheprovider --timeout 300 -m "$marks" \
	--junit-xml "$results/pytest.xml" "${@:-tests}"
pytest_status=$?

/usr/bin/python3 scripts/count-tests.py "$results/ctest.xml" "$results/pytest.xml"
counted=$?
[ $ctest_status -eq 0 ] && [ $pytest_status -eq 0 ] && [ $counted -eq 0 ]
