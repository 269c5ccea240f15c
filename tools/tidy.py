#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""tidy.py [FILE...]: the rules of STYLE.md and ARCHITECTURE.md that a tool can hold.

Looks at every source file that git tracks or would track (or those given), prints one
"file:line: what" for each finding and exits 1 when there is any. Who may include whom is not
written here: it is the table in src/meson.build, which the linker follows too.
"""
import ast
import os
import re
import subprocess
import sys

FUNCTION_LINES = 70
FILE_LINES = 800
COLUMNS = 100

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
C_FOLDERS = ("src/", "cli/", "kmod/", "test/")
PRODUCT = ("src/", "cli/", "kmod/")

# A foreign header has one home; the rest of the tree talks to that home. src/version.c is the one
# exception: it asks each library for its version and nothing else. Tests may include anything.
HOMES = [
    (r"lmdb\.h$", ("src/store/",)),
    (r"raft(/.*)?\.h$", ("src/raft/",)),
    (r"netlink/", ("src/replication/kernel_nl.",)),
    (r"http_parser\.h$", ("src/net/",)),
    (r"openssl/", ("src/net/", "src/cluster/")),
    (r"(json-c/.*|json)\.h$", ("src/base/",)),
    (r"libcryptsetup\.h$", ("src/storage/",)),
    (r"libdevmapper\.h$", ("src/storage/",)),
    (r"liburing\.h$", ("src/replication/disk_ring.",)),
    (r"blkid(/.*)?\.h$", ("src/storage/",)),
    (r"lz4\.h$", ("src/base/squeeze.",)),
]
VERSIONS = "src/version.c"
# Deciding code has no event loop; shared and the core are also compiled into the kernel module.
NO_LOOP = ("src/model/", "src/shared/", "src/replication/core/")
KERNEL_SAFE = ("src/shared/", "src/replication/core/")
PORT = "src/shared/port.h"

BANNED = {
    "strcpy": "text_copy or memcpy with a length", "strcat": "a struct buf",
    "sprintf": "snprintf", "vsprintf": "vsnprintf", "gets": "fgets", "strtok": "strsep",
    "atoi": "a parser that reports errors", "atol": "a parser that reports errors",
}
LEFTOVERS = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')


class Report:
    def __init__(self):
        self.findings = []

    def add(self, path, line, what):
        self.findings.append((path, line, what))


def tree_files():
    git = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=False,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    found = git.stdout.splitlines() if git.returncode == 0 else walk()
    return [p for p in sorted(set(found)) if os.path.isfile(os.path.join(ROOT, p))]


def walk():
    """The tree without git (an unpacked archive): all but build folders and the like."""
    for folder, below, names in os.walk(ROOT):
        below[:] = [d for d in below if not d.startswith("build") and (d == ".ci" or d[0] != ".")]
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), ROOT)


def is_c(path):
    return path.startswith(C_FOLDERS) and path.endswith((".c", ".h"))


def needs_licence(path):
    name = os.path.basename(path)
    return is_c(path) or path.endswith((".py", ".sh")) or path.startswith(("tools/", ".ci/")) \
        or name in ("meson.build", "meson_options.txt", "Makefile", "Kbuild")


def edges():
    """The table of src/meson.build: folder -> the folders it may include and link."""
    with open(os.path.join(ROOT, "src/meson.build"), encoding="utf-8") as f:
        text = f.read()
    table = re.search(r"^folders = (\[.*?^\])", text, re.M | re.S)
    rows = ast.literal_eval(re.sub(r"#.*", "", table.group(1)))
    return {normal(name): {normal(d) for d in below} for name, below in rows}


def normal(name):
    return {"../cli": "cli", ".": "daemon"}.get(name, name)


def blank_out(text):
    """The text without comments and the insides of strings, line numbers kept."""
    def keep_lines(m):
        s = m.group(0)
        if s[0] in "\"'":
            return s[0] + s[0]
        return re.sub(r"[^\n]", " ", s)
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', keep_lines,
                  text, flags=re.S)


def check_licence(path, lines, report):
    if not any("SPDX-License-Identifier: GPL-2.0-or-later" in line for line in lines[:3]):
        report.add(path, 1, "no 'SPDX-License-Identifier: GPL-2.0-or-later' in the first 3 lines")


def check_lines(path, lines, report):
    for n, line in enumerate(lines, 1):
        if line != line.rstrip():
            report.add(path, n, "trailing white space")
        if is_c(path) and len(line.expandtabs(8)) > COLUMNS:
            report.add(path, n, f"{len(line.expandtabs(8))} columns, at most {COLUMNS}")
        left = LEFTOVERS.search(line)
        if left:
            report.add(path, n, f"leftover {left.group(1)}: do it, or write an issue")
    if is_c(path) and len(lines) > FILE_LINES:
        report.add(path, FILE_LINES + 1, f"{len(lines)} lines, a file has at most {FILE_LINES}")


def check_guard(path, code, report):
    if re.search(r"^\s*#\s*pragma\s+once\b", code, re.M):
        return
    first = re.search(r"^\s*#\s*(?:ifndef\s+|if !defined\()(\w+)(?:\) \|\| defined\(TRACE_HEADER_MULTI_READ\))?"
                      r"\s*\n\s*#\s*define\s+(\w+)", code, re.M)
    if not first or first.group(1) != first.group(2):
        report.add(path, 1, "no header guard and no #pragma once")


def check_calls(path, code, report):
    for n, line in enumerate(code.splitlines(), 1):
        for m in re.finditer(r"\b(\w+)\s*\(", line):
            if m.group(1) in BANNED:
                report.add(path, n, f"{m.group(1)}() is banned: use {BANNED[m.group(1)]}")


def folder_of(path):
    """The row of the table that a file under src/ or cli/ belongs to."""
    parts = path.split("/")
    if parts[0] != "src":
        return "kmod/uapi" if path.startswith("kmod/uapi/") else parts[0]
    if len(parts) == 2:
        return "daemon"
    return "replication/core" if path.startswith("src/replication/core/") else parts[1]


def resolve(path, name):
    """The file of the tree that a quoted include means, or None."""
    test = ["test"] if path.startswith("test/") else []
    for base in [os.path.dirname(path), "src", ""] + test:
        found = os.path.normpath(os.path.join(base, name))
        if os.path.isfile(os.path.join(ROOT, found)):
            return found
    return None


def allowed(folder, table):
    if folder == "kmod":
        return {"kmod", "kmod/uapi", "replication/core", "shared"}
    below = table.get(folder, set()) | {folder}
    return below | {"kmod/uapi"} if folder == "replication" else below


def check_local_include(path, n, name, table, report):
    target = resolve(path, name)
    if target is None:
        report.add(path, n, f'"{name}" is no file of the tree (system headers take <>)')
        return
    if path.startswith("test/"):
        return
    mine, theirs = folder_of(path), folder_of(target)
    if theirs not in allowed(mine, table):
        report.add(path, n, f"{mine} may not include {theirs} ({name}); the edges are in "
                            "src/meson.build")


def check_foreign_include(path, n, name, report):
    if path.startswith(KERNEL_SAFE) and path != PORT:
        report.add(path, n, f"<{name}>: shared/ and the core include only port.h and themselves")
    if name == "uv.h" and path.startswith(NO_LOOP):
        report.add(path, n, "<uv.h>: deciding code has no event loop")
    if path.startswith("test/") or path == VERSIONS:
        return
    for pattern, homes in HOMES:
        if re.match(pattern, name) and not path.startswith(homes):
            report.add(path, n, f"<{name}> is at home in {' and '.join(homes)}")


def check_includes(path, lines, table, report):
    for n, line in enumerate(lines, 1):
        m = INCLUDE.match(line)
        if not m:
            continue
        if m.group(1) == '"':
            check_local_include(path, n, m.group(2), table, report)
        else:
            check_foreign_include(path, n, m.group(2), report)


def check_functions(paths, report):
    paths = [p for p in paths if p.startswith(PRODUCT)]
    if not paths:
        return
    out = subprocess.run(["ctags", "-x", "--language-force=C", "--c-kinds=f", "--fields=+ne",
                          "--_xformat=%F\t%N\t%n\t%{end}", "-L", "-"], cwd=ROOT, check=True,
                         input="\n".join(paths), stdout=subprocess.PIPE, text=True).stdout
    for line in out.splitlines():
        path, name, first, last = line.split("\t")
        if last and int(last) - int(first) + 1 > FUNCTION_LINES:
            report.add(path, int(first), f"{name}() has {int(last) - int(first) + 1} lines, "
                                         f"at most {FUNCTION_LINES}")


def check_file(path, table, report):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as f:
        text = f.read()
    lines = text.split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    else:
        report.add(path, len(lines), "no newline at the end of the file")
    check_licence(path, lines, report)
    check_lines(path, lines, report)
    if is_c(path):
        code = blank_out(text)
        check_calls(path, code, report)
        check_includes(path, lines, table, report)
        if path.endswith(".h"):
            check_guard(path, code, report)


def main():
    report = Report()
    given = [os.path.relpath(os.path.abspath(p), ROOT) for p in sys.argv[1:]]
    paths = [p for p in given or tree_files() if needs_licence(p)]
    table = edges()
    for path in paths:
        check_file(path, table, report)
    check_functions([p for p in paths if is_c(p)], report)
    for path, line, what in sorted(set(report.findings)):
        print(f"{path}:{line}: {what}")
    if report.findings:
        print(f"tidy: {len(report.findings)} findings in {len(paths)} files")
        return 1
    print(f"tidy: {len(paths)} files, nothing to say")
    return 0


if __name__ == "__main__":
    sys.exit(main())
