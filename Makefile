# SPDX-License-Identifier: GPL-2.0-or-later
#
# The list of things to do; the work is in tools/ and meson.build.

.PHONY: help demo check vm-tools build asan fmt tidy sim raftsim joint soak soak-upkeep fuzz model \
	kmod vm bench debug-kernel vm-debug kmod-check bench-core bench-path bench-rates bench-resync \
	bench-faults bench-scale bench-troubled scale-long golinstor clean deps hooks

help:
	@echo 'make build       tools/deps (Debian 12) and the static binary build/sdsd'
	@echo 'make demo        build, then three nodes and a first volume on this machine'
	@echo 'make check       build, unit tests under ASan/UBSan, style, cluster tests'
	@echo 'make asan        sanitizer build (gcc) and warnings-as-errors build (clang)'
	@echo 'make fmt         clang-format over src cli kmod test'
	@echo 'make tidy        the rules a tool can hold: tools/tidy.py'
	@echo 'make bench       figures of control plane and NBD, 4 minutes: test/bench/bench.sh'
	@echo 'make bench-core  writes/s of the replication core alone, one CPU: WRITES='
	@echo 'make deps        Debian packages and static libraries into .deps/'
	@echo 'make hooks       git pre-commit hook: tidy and format'
	@echo 'make clean       remove the build folders (.deps/ stays)'
	@echo 'make sim         the replication core under faults: SEED= SEEDS= FROM= TRACE=1'
	@echo 'make raftsim     the control plane under faults: SEED= SEEDS= FROM= TRACE=1'
	@echo 'make joint       both planes in one world: SEED= SEEDS= FROM= TRACE=1'
	@echo 'make fuzz        what reads bytes of others, under libFuzzer: T=target SECONDS=60'
	@echo 'make model       the replication protocol, searched completely in small worlds: WORLD='
	@echo 'make soak        real daemons under faults by chance: ROUNDS= SEED= COPIES= FAULTS=kill,cut'
	@echo '                 DISKS=1: on disks that fail, too; ARGS=: more, see test/soak/soak.py'
	@echo 'make golinstor   LINSTOR'"'"'s client library for Go against three daemons (50 MB once): SCENARIOS='
	@echo 'make soak-upkeep all that is done for copies, on played clusters: SECONDS= SEED='
	@echo 'make vm          virtual machines (QEMU, no KVM): KERNEL=6.1 or 6.12, CASE=name'
	@echo 'make kmod        the kernel module for the kernels of the guests: KERNEL=6.1 or 6.12'
	@echo 'make debug-kernel  a kernel for them with KASAN, lockdep, kmemleak: tools/debug-kernel'
	@echo 'make vm-debug    the cases of the kernel module under it: CASE=name'
	@echo 'make kmod-check  sparse, and coccinelle when it is there, on the kernel module'
	@echo 'make bench-path  instructions per request, raw, DRBD 8.4, rvol, and a gate: KERNEL= SYSTEMS='
	@echo '                 ARGS=--accept: these are the figures to compare with from now on'
	@echo 'make bench-rates the same systems by the clock, in a guest with disks'
	@echo 'make bench-resync  a copy catches up, behind a slow disk or network'
	@echo 'make bench-scale the control plane with 10 000 resources: ARGS=--resources 3000'
	@echo 'make bench-troubled  do a pool that hangs and a broken copy slow others?'
	@echo 'make scale-long  1000 creates, a leader killed every 10 s, some 3 minutes'
	@echo 'make bench-faults  how long writes wait when a node loses its power'

deps:
	@tools/deps

build: deps
	@tools/build release
	@ls -l build/sdsd | awk '{ print $$9 ": " $$5 " bytes" }'

demo: build
	@bash test/demo.sh build/sdsd

check: deps
	@tools/check

asan: deps
	@tools/build asan
	@tools/build clang
	@echo 'asan: build-asan (gcc, ASan+UBSan) and build-clang (clang -Werror) are up to date'

fmt:
	@tools/fmt

tidy:
	@tools/tidy.py

# SEED=n one seed, TRACE=1 with every message, SEEDS=n so many from FROM=n on
sim: deps
	@tools/build dev build-dev test/sim
	@build-dev/test/sim $(if $(SEED),--seed $(SEED),--from $(or $(FROM),1) --seeds $(or $(SEEDS),200)) \
		$(if $(TRACE),--trace)

raftsim: deps
	@tools/build dev build-dev test/raftsim
	@build-dev/test/raftsim $(if $(SEED),--seed $(SEED),--from $(or $(FROM),1) \
		--seeds $(or $(SEEDS),500)) $(if $(TRACE),--trace)

joint: deps
	@tools/build dev build-dev test/joint
	@build-dev/test/joint $(if $(SEED),--seed $(SEED),--from $(or $(FROM),1) \
		--seeds $(or $(SEEDS),100)) $(if $(TRACE),--trace)

# T=target (all of test/fuzz), SECONDS=n for each (60)
fuzz: deps
	@tools/fuzz --seconds $(or $(SECONDS),60) $(T)

model:
	@bash test/model/run.sh $(if $(WORLD),"$(WORLD)")

# ROUNDS=n, SEED=n, COPIES=2 or 3, FAULTS=kind,kind; DISKS=1 takes the development build, whose
# file I/O can be made to fail, and the release binary otherwise; ARGS for the rest
soak: $(if $(DISKS),deps,build)
	@$(if $(DISKS),tools/build dev build-dev sdsd test/libdiskfaults.so)
	@SDSD=$(CURDIR)/$(if $(DISKS),build-dev,build)/sdsd python3 test/soak/soak.py \
		--rounds $(or $(ROUNDS),200) --copies $(or $(COPIES),3) \
		$(if $(SEED),--seed $(SEED)) $(if $(FAULTS),--faults $(FAULTS)) \
		$(if $(DISKS),--shim build-dev/test/libdiskfaults.so) $(ARGS)

# SCENARIOS='snapshots clones' (all); downloads when it is not there
golinstor: build
	@tools/golinstor build/golinstor
	@SDSD=$(CURDIR)/build/sdsd SCENARIOS='$(SCENARIOS)' python3 test/cluster/test_golinstor.py

soak-upkeep:
	@tools/build release build test/test-model-upkeep_world
	@UPKEEP_WORLD_SECONDS=$(or $(SECONDS),3600) UPKEEP_WORLD_SEED=$(or $(SEED),1) \
		build/test/test-model-upkeep_world

# KERNEL=6.1, 6.12 or a folder; CASE='name name' (all); ARGS for the rest
vm: build kmod
	@python3 test/vm/run.py --kernel $(or $(KERNEL),6.1) \
		--module build/kmod/$(or $(KERNEL),6.1)/rvol.ko $(ARGS) $(CASE)

# 14 minutes of a CPU, once
debug-kernel:
	@tools/vm-deps 6.1
	@tools/debug-kernel

# what the guests of test/vm are given
# what the guests are given beside sdsd and the module
VM_TOOLS := $(addprefix test/,rvolctl nlcheck renewcheck freezecheck vm-ktls unixsend churn ledger \
	storagectl)

# In a cluster the first guest boots it, the others Linux 6.1. CASE='name name', ARGS for the rest
vm-debug: build debug-kernel
	@tools/kmod build/kmod/6.1 "$$(tools/kmod-headers 6.1)"
	@C=2 tools/kmod build/kmod/debug "$$(tools/kmod-headers debug)"
	@tools/build release build $(VM_TOOLS)
	@python3 test/vm/run.py --kernel debug --module build/kmod/debug/rvol.ko $(ARGS) \
		$(or $(CASE),kmod debug ktls kernel demo_kernel)

# what the tools find that only read
kmod-check: deps
	@tools/vm-deps
	@tools/kmod-check

# KERNEL=6.1 or 6.12; both without it. Any other: tools/kmod BUILD_DIR KDIR
kmod: deps
	@tools/vm-deps
	@for series in $(or $(KERNEL),6.1 6.12); do \
		tools/kmod build/kmod/$$series "$$(tools/kmod-headers $$series)" && \
		ls build/kmod/$$series/rvol.ko || exit 1; done
	@tools/build release build $(VM_TOOLS)

vm-tools:
	@tools/build release build $(VM_TOOLS)

bench: build
	@bash test/bench/bench.sh build/sdsd

# SYSTEMS='name name' (all), KERNEL=6.1, 6.12 or a folder; ARGS for the rest. Fails when a figure of
# rvol is 2 % above the one in reference/.
bench-path: kmod
	@python3 test/bench/path.py --kernel $(or $(KERNEL),6.1) \
		--module build/kmod/$(or $(KERNEL),6.1)/rvol.ko \
		--against test/bench/reference/$(notdir $(or $(KERNEL),6.1)).json $(ARGS) $(SYSTEMS)

# the same systems by the clock, as ratios
bench-rates: kmod
	@python3 test/bench/rates.py --kernel $(or $(KERNEL),6.1) \
		--module build/kmod/$(or $(KERNEL),6.1)/rvol.ko $(ARGS) $(SYSTEMS)

bench-resync: kmod
	@python3 test/bench/resync.py --kernel $(or $(KERNEL),6.1) \
		--module build/kmod/$(or $(KERNEL),6.1)/rvol.ko $(ARGS)

bench-faults: build kmod
	@python3 test/bench/faults.py --kernel $(or $(KERNEL),6.1) \
		--module build/kmod/$(or $(KERNEL),6.1)/rvol.ko $(ARGS)

# WRITES=n of each case
bench-core: deps
	@tools/build release build test/core-bench
	@build/test/core-bench $(or $(WRITES),1000000)

# ARGS: --resources, --nodes, --voters
bench-scale: build
	@SDSD=$(CURDIR)/build/sdsd python3 test/bench/scale.py $(ARGS)

# ARGS: --rounds, --batch
bench-troubled: build
	@SDSD=$(CURDIR)/build/sdsd python3 test/bench/troubled.py $(ARGS)

scale-long: build
	@SDSD=$(CURDIR)/build/sdsd SCALE_CREATES=1000 SCALE_KILL_S=10 \
		python3 test/cluster/test_scale.py

hooks:
	@git config core.hooksPath tools/hooks
	@echo 'hooks: git runs tools/hooks/pre-commit from now on'

clean:
	rm -rf build build-dev build-asan build-clang build-fuzz
