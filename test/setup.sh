#!/usr/bin/env bash
# Sees to it that the programs which the tests run are here. As root, on Debian
# or Ubuntu, it installs what is missing; else it says what is missing and fails.
set -euo pipefail

# A program, the Debian packages that bring it, and what it is for.
needs=(
	'chromium|chromium fonts-liberation|the review desk is opened in a real browser'
	'gcc|gcc libc6-dev|the race detector is linked with it'
	'redis-server|redis-server|the store of several nodes runs on a real one'
)

missing=() packages=()
for need in "${needs[@]}"; do
	IFS='|' read -r program debs why <<<"$need"
	if ! command -v "$program" >/dev/null; then
		missing+=("$program ($why; Debian: apt-get install $debs)")
		read -ra debs <<<"$debs"
		packages+=("${debs[@]}")
	fi
done

if ! command -v go >/dev/null; then
	echo 'setup: go is missing: https://go.dev/dl/, the version that go.mod names or later' >&2
	exit 1
fi
if ((${#missing[@]} == 0)); then
	echo 'setup: everything is here'
	exit 0
fi
if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
	printf 'setup: missing: %s\n' "${missing[@]}" >&2
	exit 1
fi

echo "setup: installing ${packages[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install -y --no-install-recommends "${packages[@]}" >/dev/null
for need in "${needs[@]}"; do
	program=${need%%|*}
	if ! command -v "$program" >/dev/null; then
		echo "setup: $program is still missing after its installation" >&2
		exit 1
	fi
done
