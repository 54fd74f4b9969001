# shellcheck shell=bash
# Shared by scripts that need the source of Debian's packages. Source it after common.sh;
# apt has its sources, lists and archives in the directory $apt, so the machine's stay as
# they are.

# shellcheck disable=SC2154 # apt is of who sources it

# apt-get, or apt-cache
apt_apart() {
	local program=$1
	shift
	"$program" -q -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=- \
		-o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root "$@"
}

# open_sources ROOT: where the packages below ROOT, / or a chroot, are from, there is their
# source. In a chroot apt may have forgotten its lists, but not what is written.
open_sources() {
	local keyring=/usr/share/keyrings/debian-archive-keyring.gpg options=
	[ ! -e "$keyring" ] || options="[signed-by=$keyring] "
	mkdir -p "$apt"/{lists,cache/archives}/partial
	if [ "$1" = / ]; then debian_sources; else cat "$1/etc/apt/sources.list"; fi |
		sed "s|^deb |deb-src $options|" >"$apt/sources.list"
	apt_apart apt-get update
}

# fetch_source DIR SOURCE [VERSION [OPTION...]]: put the files of a source package into DIR,
# which is made anew, and print their version: VERSION or, without it, the newest that can be
# fetched. A mirror may name one that it does not have.
fetch_source() {
	local version
	for version in ${3:-} $(apt_apart apt-cache showsrc --only-source "$2" | sed -n 's/^Version: //p' | sort -rVu); do
		rm -rf "$1"
		mkdir "$1"
		if (cd "$1" && apt_apart apt-get source --download-only "${@:4}" "$2=$version") >&2; then
			say "$version"
			return
		fi
	done
	say "the source of $2 ${3:-} cannot be had" >&2
	return 1
}
