#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# scripts/check.sh [NAME]: everything that ./dev check looks at; one line a check, details only for what fails.
set -u
cd "$(dirname "$0")/.." || exit 1
only=${1:-}
failed=0
ran=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT
trap 'exit 143' HUP TERM
sources=$(git ls-files '*.c' '*.h')

run() { # NAME COMMAND...
	name=$1
	shift
	[ -z "$only" ] || [ "$only" = "$name" ] || return 0
	ran=$((ran + 1))
	if "$@" >"$log" 2>&1; then
		printf 'ok    %s\n' "$name"
	else
		printf 'FAIL  %s\n' "$name"
		tail -n 80 "$log"
		failed=$((failed + 1))
	fi
}

format() {
	# shellcheck disable=SC2086 # one argument per file
	clang-format --dry-run -Werror $sources
}

headers() {
	for header in $(git ls-files '*.h'); do
		# shellcheck disable=SC2046 # one argument per flag
		printf '#include "%s"\n' "$header" |
			gcc -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I. -Iplugins/include -Ibuild/host/generated $(pkg-config --cflags lua5.4) -fsyntax-only \
				-Wall -Wextra -Werror -x c - || {
			echo "not self-contained: $header"
			return 1
		}
	done
}

preset() { # PRESET
	[ -f "build/$1/build.ninja" ] || cmake --preset "$1" || return 1
	ninja -C "build/$1"
}

sanitize() {
	preset sanitize && ASAN_OPTIONS=detect_leaks=1 ctest --test-dir build/sanitize -j 2 --output-on-failure
}

# Alignment and sizes of 32 bits; a second try, as the emulator can be too slow for tests of time-outs.
undefined_armhf() {
	preset undefined-armhf && ctest --test-dir build/undefined-armhf -j 2 --repeat until-pass:2 --output-on-failure
}

size() {
	./dev size --check --packages
}

tidy() {
	preset clang || return 1
	git ls-files 'core/*.c' 'broker/*.c' 'lua/*.c' 'plugins/*.c' | xargs -P 2 -n 4 clang-tidy -p build/clang --quiet
}

cppcheck_all() {
	# memleak and its kin do not understand cleanup attributes (STYLE, "known tool facts"); LeakSanitizer owns leaks.
	# uninitvar does not follow the macros of sys/queue.h, internalAstError is a statement expression: the
	# compilers and the sanitizers own both. readdirCalled is for programs with threads.
	# Macros of headers that it does not read are in cppcheck.cfg.
	cppcheck -j 2 --quiet --error-exitcode=1 --enable=warning,portability --inline-suppr -I. -Iplugins/include \
		-Ibuild/host/generated --suppress=missingIncludeSystem --suppress=memleak --suppress=resourceLeak \
		--suppress=nullPointerRedundantCheck --suppress=uninitvar --suppress=legacyUninitvar \
		--suppress=internalAstError --suppress=readdirCalled --library=posix --library=gnu \
		--library=scripts/cppcheck.cfg -D__x86_64__ -D__GNUC__ --std=c11 \
		core broker lua plugins
}

shell() {
	# shellcheck disable=SC2046 # one argument per file
	shellcheck dev .ci/run $(git ls-files '*.sh')
}

lua() {
	luacheck -q lua/policies
}

spelling() {
	git ls-files -z ':!:*/corpus/*' ':!:LICENSE' | xargs -0 codespell -q 3 --ignore-words-list=ro,rta,comand,enviroment,te,fo,ans,nd,whis
}

docs() {
	./scripts/gen-docs.py --check --build build/host
}

run format format
run layers ./scripts/check-layers.py
run build preset host
run headers headers
run docs docs
run shell shell
run lua lua
run spelling spelling
run clang preset clang
run analyze preset analyze
run sanitize sanitize
run undefined-armhf undefined_armhf
run size size
run cppcheck cppcheck_all
run tidy tidy
if [ "$ran" -eq 0 ]; then
	echo "no check is called \"$only\"" >&2
	exit 2
fi
printf '%s checks, %s failed\n' "$ran" "$failed"
[ "$failed" -eq 0 ]
