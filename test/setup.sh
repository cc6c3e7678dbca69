#!/usr/bin/env bash
# Sees to it that the programs which the tests run are here. As root, on Debian
# or Ubuntu, it installs what is missing; else it says what is missing and fails.
set -euo pipefail

# A program, the Debian packages that bring it, and what it is for.
needs=(
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
# Installs Valkey, from the backports of a Debian that is too old to have it: those
# are asked for this once, where the release itself is had from. It may fail.
install_valkey() {
	local apt=(apt-get -qq) codename uri
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	if ! apt-cache show valkey-server >/dev/null 2>&1 && [[ $codename == bookworm ]]; then
		uri=$(apt-get indextargets --format '$(REPO_URI)' 'Codename: bookworm' | head -n 1)
		sources=$(mktemp --suffix=.list)
		trap 'rm -f "$sources"' EXIT
		chmod 644 "$sources"
		echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri bookworm-backports main" >"$sources"
		apt+=(-o "Dir::Etc::sourcelist=$sources")
	fi
	"${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends valkey-server >/dev/null
}

if ! command -v valkey-server >/dev/null && ((EUID == 0)) && command -v apt-get >/dev/null; then
	echo 'setup: installing valkey-server'
	DEBIAN_FRONTEND=noninteractive install_valkey || true
fi
command -v valkey-server >/dev/null || echo 'setup: valkey-server is missing: the tests of the store of several nodes on a server that has WAITAOF are skipped'

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
