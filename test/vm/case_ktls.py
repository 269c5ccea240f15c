# SPDX-License-Identifier: GPL-2.0-or-later
"""TLS connections of sdsd handed over to a real kernel (src/net/conn_kernel.c).

The program is not built by itself: tools/build release build test/vm-ktls
"""
import os

from rig import Skip

# Each ciphersuite of TLS 1.3, by a configuration of OpenSSL's,
CONFIG = "openssl_conf=a\n[a]\nssl_conf=b\n[b]\nsystem_default=c\n[c]\nCiphersuites=%s\n"
# and the module of the kernel for it
SUITES = {"TLS_AES_256_GCM_SHA384": "aesni_intel", "TLS_AES_128_GCM_SHA256": "aesni_intel",
          "TLS_CHACHA20_POLY1305_SHA256": "chacha20poly1305"}


def program(rig):
    path = os.path.join(os.path.dirname(rig.sdsd_path), "test/vm-ktls")
    if not os.access(path, os.X_OK):
        raise Skip("no %s: tools/build release build test/vm-ktls" % os.path.relpath(path))
    return path


def case_ktls(rig):
    """1000 messages of 4 KiB each way between kernel and kernel, and kernel and library."""
    lab = rig.lab(files={"/usr/bin/vm-ktls": program(rig)})
    g = lab.guests[0]
    g.run("ip link set lo up")
    tested = []
    for suite, module in SUITES.items():
        if g.run("modprobe " + module, check=False).status != 0:
            continue        # test/vm/image.py has not this one
        g.push((CONFIG % suite).encode(), "/tmp/openssl.cnf")
        found = g.run("OPENSSL_CONF=/tmp/openssl.cnf vm-ktls", 300, check=False)
        rig.check(found.status == 0 and found.out.count("ok %s: " % suite) == 3,
                  "%s: %s" % (suite, found.out))
        tested.append(suite)
    print("     ktls: " + " ".join(tested))
    rig.check(tested, "the guest has none of the ciphers")


def case_ktls_without(rig):
    """A kernel without the module says so, in words."""
    lab = rig.lab(files={"/usr/bin/vm-ktls": program(rig)})
    g = lab.guests[0]
    g.run("ip link set lo up; mv /lib/modules/*/kernel/net/tls /tmp; depmod")
    found = g.run("vm-ktls", 120, check=False)
    rig.check(found.status == 1 and "this kernel has no TLS" in found.out, found.out)
