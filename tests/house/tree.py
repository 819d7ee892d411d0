#!/usr/bin/env python3
"""Rules for every file that git knows: length, white space, left-overs, paths of somebody's machine, links."""

import os
import re
import subprocess
import sys
from pathlib import Path

LINES_MAX = 600
BYTES_MAX = 512 * 1024
CODE = {".c", ".h", ".py", ".sh", ".cmake", ".sbatch"}
TEXT = CODE | {".md", ".txt", ".yaml", ".yml", ".json", ".supp", ".1", ".in"}

# Spelled so that this file does not find itself.
LEFT_OVERS = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"]) + r")\b")
SOMEBODYS_PATH = re.compile(r"(?<![\w.~}$/-])/(" + "|".join(["ho" + "me", "ro" + "ot", "Us" + "ers", "wo" + "rk"]) + r")/")
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)\s]*)?\)")


def tracked(root):
    """Files of the repository, or of the unpacked archive."""
    listing = subprocess.run(
        ["git", "-C", root, "-c", f"safe.directory={root}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True, check=False)
    if listing.returncode == 0:
        names = listing.stdout.decode().split("\0")
        return sorted(root / name for name in names if name and (root / name).is_file())
    skipped = re.compile(r"^(build[^/]*|data|runs)/")
    return sorted(path for path in root.rglob("*")
                  if path.is_file() and not skipped.match(str(path.relative_to(root))))


def complaints(path, root):
    if path.stat().st_size > BYTES_MAX:
        yield 0, f"{path.stat().st_size // 1024} KiB: too large for a repository"
        return
    raw = path.read_bytes()
    has_shebang = raw.startswith(b"#!")
    if has_shebang != os.access(path, os.X_OK) and path.suffix != ".in":
        yield 1, "has a #! line but is not executable" if has_shebang else "is executable without a #! line"
    if path.suffix not in TEXT and not has_shebang:
        return
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        yield 0, "is not UTF-8"
        return
    lines = text.split("\n")
    if path.suffix in CODE or has_shebang:
        if len(lines) - 1 > LINES_MAX:
            yield LINES_MAX, f"{len(lines) - 1} lines; {LINES_MAX} at most: cut it in two"
        for number, line in enumerate(lines, 1):
            if "\t" in line and "'\t'" not in line:
                yield number, "a tab"
    if text and not text.endswith("\n"):
        yield len(lines), "no newline at the end"
    for number, line in enumerate(lines, 1):
        if line != line.rstrip():
            yield number, "white space at the end of the line"
        if LEFT_OVERS.search(line):
            yield number, f"left over: {LEFT_OVERS.search(line).group(0)}"
        if SOMEBODYS_PATH.search(line):
            yield number, f"a path of somebody's machine: {line.strip()[:60]}"
    if path.suffix == ".md":
        for match in LINK.finditer(text):
            target = match.group(1)
            if "://" not in target and not target.startswith("mailto:") and not (path.parent / target).exists():
                yield text.count("\n", 0, match.start()) + 1, f"link to {target}, which is not there"


def main():
    root = Path(__file__).resolve().parents[2]
    files = tracked(root)
    found = [f"{path.relative_to(root)}:{line}: {words}" for path in files for line, words in complaints(path, root)]
    print("\n".join(found) if found else f"{len(files)} files, nothing to complain about")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
