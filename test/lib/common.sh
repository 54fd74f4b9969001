# shellcheck shell=bash
# Shared by the scripts in test/: packages, a copy that does not belong to root,
# staging, counts.
# Source it; it expects bash with set -euo pipefail.

# shellcheck disable=SC2034 # used by scripts that source this file
checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

say() {
	printf '%s\n' "$*"
}

die() {
	printf 'tarx_keys: %s\n' "$*" >&2
	exit 1
}

# sum LOG: add the counts of its last summary line to what passed and failed.
passed=0
failed=0
sum() {
	local summary
	summary=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$1" | tail -n 1 || true)
	summary=${summary:-0 passed, 1 failed}
	passed=$((passed + ${summary%% *}))
	summary=${summary#*, }
	failed=$((failed + ${summary%% *}))
}

is_root() {
	[ "$(id -u)" -eq 0 ]
}

# The newest PostgreSQL major whose server programs are installed, or nothing.
newest_major() {
	local dir
	for dir in /usr/lib/postgresql/*/bin/initdb; do
		[ -x "$dir" ] && basename "$(dirname "$(dirname "$dir")")"
	done | sort -n | tail -n 1
}

# Set PG_CONFIG to that of the newest server, unless the caller has set it. The one
# in PATH may belong to a client library only.
find_pg_config() {
	local major
	if [ -z "${PG_CONFIG:-}" ]; then
		major=$(newest_major)
		PG_CONFIG=/usr/lib/postgresql/${major:-none}/bin/pg_config
		[ -x "$PG_CONFIG" ] || PG_CONFIG=$(command -v pg_config || true)
	fi
	export PG_CONFIG
}

# Is everything there to build the extension and to run a server?
can_build() {
	find_pg_config
	[ -n "$PG_CONFIG" ] && [ -e "$("$PG_CONFIG" --pgxs)" ] &&
		[ -x "$("$PG_CONFIG" --bindir)/initdb" ] &&
		[ -e "$("$PG_CONFIG" --includedir-server)/postgres.h" ] &&
		command -v make gcc >/dev/null &&
		printf '#include <sodium.h>\n' | gcc -E -o /dev/null - 2>/dev/null
}

# What the examples in Node.js need
has_node() {
	command -v node >/dev/null && command -v npm >/dev/null
}

# What the clients of docs/integration.md and examples/sealed in Python need: Debian's
# modules, which are those of its own Python
has_python_clients() {
	local python
	for python in python3 /usr/bin/python3; do
		"$python" -c 'import psycopg, psycopg_pool, psycopg2, sqlalchemy, nacl' 2>/dev/null && return
	done
	return 1
}

# The leak scan needs all libraries that record statements.
has_recorders() {
	[ -e "$("$PG_CONFIG" --pkglibdir)/pgaudit.so" ] &&
		[ -e "$("$PG_CONFIG" --pkglibdir)/pg_stat_statements.so" ]
}

# What the recipes in examples need as well: keyrings that age, a TPM (swtpm) and PKCS#11
# (SoftHSM) open, and what reads the audit log from a slot
has_recipe_programs() {
	local program
	for program in age swtpm tpm2_unseal softhsm2-util pkcs11-tool; do
		command -v "$program" >/dev/null || return
	done
	[ -e /usr/lib/softhsm/libsofthsm2.so ] && [ -e "$("$PG_CONFIG" --pkglibdir)/wal2json.so" ] &&
		[ -e "$("$PG_CONFIG" --pkglibdir)/plproxy.so" ]
}

# What the browser tests of examples/keys-and-secrets need as well
has_chromium() {
	command -v chromium >/dev/null
}

can_example() {
	can_build && has_node
}

can_browse() {
	can_test && has_chromium
}

has_npm_packages() {
	local have=$1/node_modules/.package-lock.json
	[ -e "$have" ] && [ ! "$have" -ot "$1/package-lock.json" ]
}

# Install the packages that a directory's lock file names, unless they are there. What
# fetch_npm_packages could not fetch is not tried again.
npm_packages() {
	local try
	has_npm_packages "$1" && return
	[ -z "${TARX_KEYS_NPM_FETCHED:-}" ] || return 1
	for try in 1 2 3; do
		npm ci --prefix "$1" --ignore-scripts --no-audit --no-fund >/dev/null && return
		[ "$try" = 3 ] || sleep $((try * 5))
	done
	return 1
}

# fetch_npm_packages DIR...: install them all, before tests run at the same time; says
# which could not be fetched.
fetch_npm_packages() {
	local dir missing=()
	for dir; do
		npm_packages "$dir" || missing+=("$dir")
	done
	export TARX_KEYS_NPM_FETCHED=1
	[ ${#missing[@]} -eq 0 ] ||
		say "npm packages could not be fetched, and tests that need them are left out: ${missing[*]}"
}

can_test() {
	can_build && command -v openssl >/dev/null && command -v curl >/dev/null && command -v jq >/dev/null && has_recorders && has_node && has_python_clients && has_recipe_programs && perl -MIPC::Run -MTest::More -e 1 2>/dev/null &&
		PATH=$PATH:/usr/sbin command -v pgbouncer >/dev/null
}

apt_install() {
	say "Installing with apt-get: $*"
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >/dev/null
}

# Where this system has Debian's packages from, and none of anybody else's: lines of a
# sources.list
debian_sources() {
	# shellcheck disable=SC2016 # apt expands it
	apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
		'Created-By: Packages' 'Origin: Debian' | sort -u | grep . || die "apt knows no Debian sources; try apt-get update"
}

# install_packages WHAT: make can_WHAT true, or say what is missing.
install_packages() {
	"can_$1" && return
	is_root || die "packages are missing; run this once with sudo, or install postgresql, postgresql-server-dev-NN, libsodium-dev, gcc, make, openssl, libipc-run-perl, postgresql-NN-pgaudit, pgbouncer, nodejs, npm, python3-psycopg, python3-psycopg-pool, python3-psycopg2, python3-sqlalchemy, python3-nacl, age, swtpm, tpm2-tools, libtss2-tcti-swtpm0, softhsm2, opensc, postgresql-NN-wal2json, postgresql-NN-plproxy, curl and jq"
	command -v apt-get >/dev/null || die "packages are missing, and there is no apt-get to install them with"
	apt-get update >/dev/null
	[ -n "$(newest_major)" ] || apt_install postgresql
	apt_install "postgresql-server-dev-$(newest_major)" libsodium-dev gcc make libc6-dev libipc-run-perl openssl \
		"postgresql-$(newest_major)-pgaudit"
	case $1 in test | browse)
		apt_install pgbouncer python3-psycopg python3-psycopg-pool python3-psycopg2 python3-sqlalchemy python3-nacl
		apt_install age swtpm tpm2-tools libtss2-tcti-swtpm0 softhsm2 opensc curl jq "postgresql-$(newest_major)-wal2json" \
			"postgresql-$(newest_major)-plproxy" ;;
	esac
	[ "$1" = build ] || has_node || apt_install nodejs npm
	[ "$1" != browse ] || has_chromium || apt_install chromium
	unset PG_CONFIG
	"can_$1" || die "packages are still missing after apt-get"
}

# install_programs PROGRAM=PACKAGE...: install the packages whose program is missing.
install_programs() {
	local pair missing=()
	for pair; do
		command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	is_root || die "packages are missing; run this once with sudo, or install ${missing[*]}"
	command -v apt-get >/dev/null || die "packages are missing: ${missing[*]}; there is no apt-get to install them with"
	apt-get update >/dev/null
	apt_install "${missing[@]}"
}

# PostgreSQL refuses to run as root: run a command in a copy of the checkout as
# the user postgres, and remove the copy. As anybody else, run it right here.
as_postgres_in_copy() {
	local copy status=0
	if ! is_root; then
		(cd "$checkout" && "$@")
		return
	fi
	copy=$(mktemp -d /tmp/tarx_keys.XXXXXX)
	# the trap is for interrupts; a test's servers stop with their own scripts
	# shellcheck disable=SC2064 # the copy of this call
	trap "rm -rf '$copy'" EXIT
	mkdir "$copy/src"
	tar -C "$checkout" --exclude=./.git --exclude=./tmp_check --exclude=./stage --exclude=./deb \
		--exclude='*.o' --exclude='*.bc' --exclude='*.so' --exclude='*.d' --exclude=./test/unit/bin -cf - . |
		tar -C "$copy/src" -xf -
	chown -R postgres: "$copy"
	# for a test of who a file belongs to
	install -m 0644 -o nobody /dev/null "$copy/of_another"
	export TARX_KEYS_FILE_OF_ANOTHER=$copy/of_another
	(cd "$copy/src" && HOME=$copy runuser -u postgres -- "$@") || status=$?
	rm -rf "$copy"
	trap - EXIT
	return $status
}

# stage DIR: install below DIR, for a server that has DIR/server.conf. Where no setting
# makes a server find the extension there, this is a copy of the server, which
# PG_CONFIG is then the pg_config of.
stage() {
	local destdir=$1
	mkdir -p "$1"
	if [ "$(extension_setting)" = none ]; then
		copy_server "$1/server"
		destdir=
	fi
	"${MAKE:-make}" -s PG_CONFIG="$PG_CONFIG" with_llvm=no install DESTDIR="$destdir" >/dev/null
	write_server_conf "$1"
}

# The setting that says where extensions are: PostgreSQL has one from 18 on, Debian's
# packages had one before.
extension_setting() {
	local setting
	for setting in extension_control_path extension_destdir; do
		if "$("$PG_CONFIG" --bindir)/postgres" --describe-config | grep "^$setting	" >/dev/null; then
			say "$setting"
			return
		fi
	done
	say none
}

# Write DIR/server.conf, the settings that make a server find the extension below DIR.
write_server_conf() {
	local dir=$1
	case $(extension_setting) in
		extension_control_path) say "extension_control_path = '$dir$("$PG_CONFIG" --sharedir):\$system'" ;;
		extension_destdir) say "extension_destdir = '$dir'" ;;
	esac >"$dir/server.conf"
	[ ! -s "$dir/server.conf" ] ||
		say "dynamic_library_path = '$dir$("$PG_CONFIG" --pkglibdir):\$libdir'" >>"$dir/server.conf"
}

# copy_server DIR: copy the server to DIR, and use it from then on. PostgreSQL finds its
# files from where its programs are.
copy_server() {
	local prefix dir
	prefix=$(dirname "$("$PG_CONFIG" --bindir)")
	for dir in sharedir pkglibdir; do
		[[ $prefix != /usr && $prefix != /usr/local && $("$PG_CONFIG" "--$dir") == "$prefix"/* ]] ||
			die "this server has neither extension_control_path nor extension_destdir, and is not in a directory of its own that could be copied: use one that was built with a --prefix of its own"
	done
	mkdir -p "$1"
	cp -a "$prefix/." "$1"
	PG_CONFIG=$1/bin/pg_config
}
