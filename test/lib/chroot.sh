# shellcheck shell=bash
# Shared by scripts that try something where nothing else could help it: in a chroot,
# $root. Source it after common.sh, as root in namespaces of its own (own_namespaces),
# with which mounts and processes end.
#
# make_chroot makes a new one of this Debian release's base system, and uses the directory
# $work. The base system is kept as an archive in
# ${TARX_KEYS_DEB_DIR:-/var/cache/tarx_keys/deb}.

# shellcheck disable=SC2154 # root and work are of who sources it

# own_namespaces COMMAND...: whatever is left of it is ended with it
own_namespaces() {
	unshare --mount --propagation private --pid --ipc --fork --kill-child "$@"
}

in_chroot() {
	chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

apt_in_chroot() {
	in_chroot apt-get -q -o APT::Install-Recommends=false -o Dpkg::Use-Pty=0 "$@" >"$work/apt.log" 2>&1 ||
		{ tail -n 40 "$work/apt.log"; die "apt-get failed in the chroot: $*"; }
}

# The base system, of which debootstrap knows the mirror, below $root
make_chroot() {
	local cache=${TARX_KEYS_DEB_DIR:-/var/cache/tarx_keys/deb} release
	release=$(. /etc/os-release && echo "$VERSION_CODENAME")
	use_proxy_of_apt
	mkdir -p "$root"
	if [ ! -e "$cache/$release.tar" ]; then
		debootstrap --variant=minbase --force-check-gpg "$release" "$root" >"$work/debootstrap.log" ||
			{ tail -n 20 "$work/debootstrap.log"; die 'debootstrap failed'; }
		mkdir -p "$cache"
		tar -C "$root" --one-file-system -cf "$work/base.tar" .
		mv "$work/base.tar" "$cache/$release.tar"
	else
		tar -C "$root" -xf "$cache/$release.tar"
	fi
	cp /etc/resolv.conf "$root/etc/"
	# whose security updates the packages were built with, and depend on
	debian_sources >"$root/etc/apt/sources.list"
	configure_chroot
	mount_chroot
}

mount_chroot() {
	mount -t proc proc "$root/proc"
	mount --rbind /dev "$root/dev"
	mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
}

# debootstrap knows of a proxy by the environment; this system may have it in its apt
# configuration only.
use_proxy_of_apt() {
	local proxy='' detect=''
	[ -z "${http_proxy:-}" ] || return 0
	eval "$(apt-config shell proxy Acquire::http::Proxy detect Acquire::http::Proxy-Auto-Detect)"
	if [ -z "$proxy" ] && [ -x "$detect" ]; then
		proxy=$("$detect") || proxy=
	fi
	[ -z "$proxy" ] || [ "$proxy" = DIRECT ] || export http_proxy=$proxy
}

configure_chroot() {
	local conf=$root/etc/apt/apt.conf.d/90host

	# no package may start a server, or make a cluster for one
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
	chmod 755 "$root/usr/sbin/policy-rc.d"
	mkdir -p "$root/etc/postgresql-common"
	echo 'create_main_cluster = false' >"$root/etc/postgresql-common/createcluster.conf"
	# what is interrupted is thrown away, so nothing needs to reach the disk
	echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/throwaway"
	printf '127.0.0.1 localhost %s\n::1 localhost\n' "$(hostname)" >"$root/etc/hosts"

	# The host's way to its mirrors: a proxy, and whether the clock may be wrong. Not what
	# names the host's files. For root alone, because a proxy may have a password.
	install -m 600 /dev/null "$conf"
	{
		[ -z "${http_proxy:-}" ] || printf 'Acquire::http::Proxy "%s";\n' "$http_proxy"
		apt-config dump |
			grep -E '^Acquire::(Check-|Retries|ForceIPv|Queue-Mode|https?::)' |
			grep -viE 'Auto-?Detect|CaInfo|CaPath|CrlFile|Ssl(Cert|Key)|Dl-Limit' || true
	} >"$conf"
}
