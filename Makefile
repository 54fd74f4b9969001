# tarx_keys: project-scoped LLM keys in PostgreSQL
#
#   make && sudo make install && make installcheck
#   sudo make quickstart     plays the whole story in a throwaway cluster
#   sudo make example        a settings page with sample projects, in a throwaway cluster
#   sudo make check          runs every test in throwaway clusters
#   sudo make matrix         runs every test on every supported PostgreSQL version
#   sudo make check-cassert  runs them on a PostgreSQL with assertions; builds it first
#   sudo make lint           compilers, analysers, layout, exported symbols
#   sudo make fuzz           fuzzes what reads bytes that others may have written
#   sudo make suites         runs PostgreSQL's own tests on servers that have the extension
#   sudo make faults         full disks, a clock that jumps and other accidents; takes some minutes
#   sudo make mutate         looks whether tests notice small changes of the code; takes an hour
#   sudo make soak           clients that do everything at once; takes seven minutes
#   sudo make fresh          runs the README's first commands on a machine that has nothing
#   sudo make release-rehearsal   makes two releases of a scratch copy
#   sudo make bench          measures what calls cost; takes ten minutes

PG_CONFIG ?= pg_config

EXTENSION = tarx_keys
MODULE_big = tarx_keys

# The version stands in the control file and nowhere else.
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" tarx_keys.control)

SOURCES := $(sort $(wildcard src/*/*.c))
OBJS = $(SOURCES:.c=.o)
# These files build, and are tested, without PostgreSQL.
PURE_OBJS := $(patsubst %.c,%.o,$(sort $(wildcard src/pure/*.c)))

# The names that redaction knows; src/pure/sensitive_text.h says more.
GENERATED = src/pure/sensitive_names.h src/pure/known_names.h

SQL_PARTS := $(sort $(wildcard sql/[0-9]*.sql))
DATA_built = sql/$(EXTENSION)--$(EXTVERSION).sql

# The install script of a released version does not change any more. An update
# script leads from one version to the next.
FROZEN = sql/released/$(EXTENSION)--$(EXTVERSION).sql
DATA = $(filter-out $(FROZEN),$(wildcard sql/released/*.sql)) $(wildcard sql/updates/*.sql)

REGRESS := $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))
ISOLATION := $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
# installcheck runs in a throwaway cluster with the library preloaded, and needs
# no prepared server.
TEMP_CONFIG ?= $(CURDIR)/test/server.conf
export TEMP_CONFIG
TEMP_CLUSTER = --temp-instance=tmp_check --temp-config='$(TEMP_CONFIG)' \
	--encoding=UTF8
REGRESS_OPTS = --inputdir=test --outputdir=. $(TEMP_CLUSTER)
ISOLATION_OPTS = --inputdir=test --outputdir=. $(TEMP_CLUSTER)
TAP_TESTS = 1
PROVE_TESTS = test/t/*.pl

EXTRA_CLEAN = $(OBJS:.o=.d) $(GENERATED) sql/$(EXTENSION)--*.sql results output_iso tmp_check stage \
	regression.diffs regression.out test/unit/bin examples/sealed/seal examples/client/node_modules \
	examples/import/node_modules examples/keys-and-secrets/node_modules examples/keys-and-secrets/test/node_modules \
	test/clients/node/node_modules

# These run scripts, which call make again. PGXS is left out for them, because it
# has a "check" of its own, which only says that it is not supported.
SCRIPT_GOALS = bench check check-cassert coverage deb example faults fresh fuzz lint matrix mutate \
	quickstart release-rehearsal sanitize soak suites
ifneq ($(filter $(SCRIPT_GOALS),$(MAKECMDGOALS)),)

.PHONY: $(SCRIPT_GOALS)
$(SCRIPT_GOALS):
	test/$@$(if $(wildcard test/$@/run),/run)

else

# The server's headers count as system headers, so -Wextra is about our code.
override PG_CPPFLAGS += -Isrc -isystem $(shell $(PG_CONFIG) --includedir-server)
override PG_CFLAGS += -std=gnu11 -Wall -Wextra
# With each object the compiler tells make which headers it was made from.
override PG_CFLAGS += -MMD -MP
SHLIB_LINK += -lsodium
# ES256 and RS256 come from the library that the server itself is linked with.
OPENSSL_LIBS := $(if $(shell grep -l 'define USE_OPENSSL 1' $(shell $(PG_CONFIG) --includedir-server)/pg_config*.h),-lcrypto)
OPENSSL_FLAGS := $(if $(OPENSSL_LIBS),-DTARX_KEYS_OPENSSL)
override PG_CPPFLAGS += $(OPENSSL_FLAGS)
SHLIB_LINK += $(OPENSSL_LIBS)

# The names that redaction knows, collected each time that make runs. A header
# that stays the same keeps its date, so nothing is compiled again.
collect_names = $(shell sed -nE -f $(1:.h=.sed) $(SQL_PARTS) $(SOURCES) | LC_ALL=C sort -u >$(1).new; \
	cmp -s $(1).new $(1) && rm $(1).new || mv $(1).new $(1))
$(foreach header,$(GENERATED),$(call collect_names,$(header)))

PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# For scripts that compile without make
.PHONY: generated
generated:
	@:

-include $(OBJS:.o=.d) $(wildcard test/unit/bin/*.d)
$(OBJS:.o=.bc): %.bc: %.o

sql/$(EXTENSION)--$(EXTVERSION).sql: $(SQL_PARTS) tarx_keys.control
	@if [ -e $(FROZEN) ] && ! cat $(SQL_PARTS) | cmp -s - $(FROZEN); then \
		echo 'version $(EXTVERSION) is released: raise default_version in tarx_keys.control' >&2; exit 1; fi
	cat $(SQL_PARTS) > $@

# For a release: keep its install script. Updates to later versions start from it.
.PHONY: freeze
freeze: sql/$(EXTENSION)--$(EXTVERSION).sql
	mkdir -p $(dir $(FROZEN))
	cp $< $(FROZEN)

# Runs every test in throwaway clusters, and installs nothing. Not for root.
.PHONY: check-local unit
check-local: all unit
	PG_CONFIG='$(PG_CONFIG)' MAKE='$(MAKE)' test/check-local

# The regression tests seal with this program, because boxes do not last.
installcheck: examples/sealed/seal

examples/sealed/seal: examples/sealed/seal.c
	$(CC) $(CFLAGS) -o $@ $< -lsodium

UNIT = $(patsubst test/unit/test_%.c,test/unit/bin/%,$(wildcard test/unit/test_*.c)) \
	$(patsubst test/fuzz/%.c,test/unit/bin/%,$(wildcard test/fuzz/fuzz_*.c))

unit: $(UNIT)

test/unit/bin/%: test/unit/test_%.c test/unit/tap.h $(PURE_OBJS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(OPENSSL_FLAGS) -Isrc -Itest/unit -o $@ $< $(PURE_OBJS) -lsodium $(OPENSSL_LIBS)

# These compile files of the server's, and have what those need of it.
test/unit/bin/key_settings test/unit/bin/keyring_page test/unit/bin/sealing: CFLAGS += -D_GNU_SOURCE -isystem $(shell $(PG_CONFIG) --includedir-server)

# Unit tests that replay the corpora of the fuzz targets
test/unit/bin/fuzz_%: test/fuzz/fuzz_%.c test/fuzz/replay.c $(wildcard test/fuzz/*.h) test/unit/tap.h $(PURE_OBJS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(OPENSSL_FLAGS) -Isrc -Itest/unit -Itest/fuzz -DCORPUS='"test/fuzz/corpus/$*"' -o $@ \
		$< test/fuzz/replay.c $(PURE_OBJS) -lsodium $(OPENSSL_LIBS)

# PostgreSQL's modules for the TAP tests need IPC::Run. Without it installcheck
# leaves these tests out and says so; test/check insists on it.
ifneq ($(filter installcheck,$(MAKECMDGOALS)),)
ifeq ($(shell $(PERL) -MIPC::Run -e 'print 1' 2>/dev/null),)
define prove_installcheck
@echo 'The TAP tests are left out, because the Perl module IPC::Run (libipc-run-perl) is missing.'
endef
endif
endif

endif
