#!/usr/bin/env bash
# Fuzzes one target for FUZZTIME: test/fuzz.sh FOLDER TARGET
#
# Now and then go test fails a fuzz run because its time ended within a call of the
# target: it says "context deadline exceeded" and has no input to show. Such a run
# is repeated, twice at most; a target that hangs or fails on an input fails again.
set -uo pipefail
dir=$1 target=$2

for _ in 1 2 3; do
	if out=$(go test -run '^$' -fuzz "^$target\$" -fuzztime "$FUZZTIME" -fuzzminimizetime 100x -parallel 1 "$dir" 2>&1 </dev/null); then
		echo "== ${dir#"$PWD"/} $target: $(grep -o 'execs: [0-9]*' <<<"$out" | tail -1)"
		exit 0
	fi
	if ! grep -q '^ *context deadline exceeded$' <<<"$out" || grep -qE 'Failing input|panic|hung or terminated' <<<"$out"; then
		break
	fi
	echo "== ${dir#"$PWD"/} $target: its time ended within a call, and no input failed: once more"
done
echo "== ${dir#"$PWD"/} $target: FAILED"
echo "$out"
exit 255 # xargs stops
