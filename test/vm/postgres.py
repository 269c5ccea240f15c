# SPDX-License-Identifier: GPL-2.0-or-later
"""postgres.py - guests with Debian's systemd as process 1 and PostgreSQL 15 as a unit of it, and a
client that knows which of its rows were acknowledged.

PostgreSQL is Debian's; its unit is written here, since Debian's own starts a Perl script that looks
for clusters below /etc."""
import os
import textwrap

import image
from rig import Skip, wait_for

BIN = "usr/lib/postgresql/15/bin"
PROGRAMS = ["lib/systemd/systemd", "bin/systemctl", "usr/bin/nsenter", "usr/bin/setpriv"] + \
    ["%s/%s" % (BIN, p) for p in ("postgres", "initdb", "pg_ctl", "psql", "pgbench")] + \
    ["usr/lib/postgresql/15/lib/%s.so" % p for p in ("plpgsql", "dict_snowball")]
FOLDERS = ["usr/share/postgresql/15"]
UNITS = {
    "default.target": """
        [Unit]
        Description=a test guest
        Requires=agent.service
        After=agent.service
        AllowIsolate=yes
    """,
    # Jobs of the host run in its control group; they outlive nothing.
    "agent.service": """
        [Unit]
        DefaultDependencies=no
        [Service]
        ExecStart=/sbin/agent /dev/agent
        Environment=PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
        Environment=DM_DISABLE_UDEV=1 LVM_SUPPRESS_FD_WARNINGS=1
        TasksMax=infinity
        LimitNOFILE=65536
        IgnoreSIGPIPE=no
    """,
    "postgresql.service": """
        [Unit]
        DefaultDependencies=no
        [Service]
        Type=notify
        User=postgres
        ExecStart=/usr/lib/postgresql/15/bin/postgres -D /srv/db/data
        KillMode=mixed
        KillSignal=SIGINT
        TimeoutStartSec=300
        StandardOutput=append:/run/postgres.log
        StandardError=append:/run/postgres.log
    """,
}
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\npostgres:x:100:100::/tmp:/bin/sh\n",
    "etc/group": "root:x:0:\ndisk:x:6:\npostgres:x:100:\n",
    "etc/machine-id": "5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d\n",
    "etc/systemd/system.conf": "[Manager]\nDefaultStandardOutput=null\nShowStatus=no\n"
                               "DefaultTimeoutStopSec=60s\n",
}
CONFIG = """
listen_addresses = '*'
unix_socket_directories = '/tmp'
shared_buffers = 16MB
max_connections = 20
synchronous_commit = on
fsync = on
jit = off
autovacuum = off
checkpoint_timeout = 30s
max_wal_size = 48MB
min_wal_size = 32MB
"""
# One session inserts numbers until it ends; the next one goes on with a thousand of its own. psql
# prints a number when its transaction is committed.
CLIENT = """
k=0
while [ ! -e /tmp/stop ]; do
    k=$((k + 1))
    {{ n=$((k * 100000)); while [ ! -e /tmp/stop ]; do n=$((n + 1));
        echo "INSERT INTO ledger VALUES ($n) RETURNING n;" || break; done; }} |
    psql "host={vip} user=postgres dbname=postgres connect_timeout=3 tcp_user_timeout=4000" \\
        -qAt -v ON_ERROR_STOP=1 >>/tmp/acknowledged 2>>/tmp/psql.log
    sleep 0.3
done
"""


def files(folder):
    """{path: file} of all this, for guests; texts are written into the folder."""
    try:
        found = image.Userland().files(PROGRAMS, FOLDERS)
    except image.Missing as e:
        raise Skip(str(e))
    texts = dict(FILES)
    texts.update(("etc/systemd/system/" + k, textwrap.dedent(v).lstrip())
                 for k, v in UNITS.items())
    os.makedirs(folder, exist_ok=True)
    for path, text in texts.items():
        found[path] = os.path.join(folder, path.replace("/", "_"))
        with open(found[path], "w") as f:
            f.write(text)
    found["usr/bin/psql"] = found[BIN + "/psql"]
    return found


def create(guest, device):
    """A database on the volume: made here, then left unmounted."""
    guest.run("mkfs.ext4 -q %s && mkdir -p /srv/db && mount %s /srv/db && mkdir /srv/db/data && "
              "chown -R postgres:postgres /srv/db" % (device, device), 240)
    guest.run("chmod 1777 /tmp; cd /tmp; setpriv --reuid 100 --regid 100 --clear-groups "
              "/%s/initdb -D /srv/db/data --locale=C -E UTF8 -A trust -N" % BIN, 600)
    guest.run("cat >>/srv/db/data/postgresql.conf", stdin=CONFIG.encode())
    guest.run("echo 'host all all 10.77.0.0/24 trust' >>/srv/db/data/pg_hba.conf; sync; "
              "umount /srv/db", 120)


def ask(guest, vip, words, timeout=60, check=True):
    return guest.run("psql 'host=%s user=postgres dbname=postgres connect_timeout=5' -qAt -c \"%s\""
                     % (vip, words), timeout, check)


class Client:
    """Inserts rows over the address, on a guest of its own."""

    def __init__(self, guest, vip):
        self.guest = guest
        self.vip = vip
        guest.run("rm -f /tmp/stop /tmp/acknowledged")
        self.job = guest.start_job(CLIENT.format(vip=vip))

    def acknowledged(self):
        return {int(x) for x in self.guest.run("cat /tmp/acknowledged 2>/dev/null; true")
                .out.split() if x.isdigit()}

    def goes_on(self, rows=20, timeout=240):
        """Until so many more are acknowledged: the seconds that took are of no meaning."""
        before = len(self.acknowledged())
        wait_for(lambda: len(self.acknowledged()) >= before + rows, timeout,
                 "the client goes on", 1)

    def end(self):
        self.guest.run("touch /tmp/stop")
        self.job.wait(120, check=False)
        return self.acknowledged()
