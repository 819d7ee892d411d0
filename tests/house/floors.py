#!/usr/bin/env python3
"""The floors of the house: who may include whom.

A module is src/<module>/ with its public header include/nnmpi/<module>.h. It may include public headers of lower floors
and its own files, nothing else; each foreign library has one module that may include its header.
"""

import re
import sys
from pathlib import Path

FLOORS = [
    {"support"},
    {"config", "comm", "h5io", "kernels"},
    {"data", "layers"},
    {"model", "optim"},
    {"checkpoint", "history"},
    {"train"},
    {"cli"},
]

# Neighbours on one floor do not know each other, but for these.
NEIGHBOURS = {
    ("layers", "data"),  # layers and losses speak of samples' shapes and targets
    ("checkpoint", "history"),  # a checkpoint carries the rows per epoch
}

# Internal headers that higher floors may include, too.
SHARED = {
    "kernels/clones.h",  # macros: one body of C compiled for several instruction sets
    "kernels/dots.h",  # bodies to be inlined: the chains of a dot product
    "kernels/squares.h",  # and of a sum of squares
}

ONLY_IN = {
    r"mpi\.h|mpi-ext\.h": "comm",
    r"hdf5(_hl)?\.h|H5\w+\.h": "h5io",
    r"yaml\.h": "config",
    r"omp\.h": "kernels",
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
PRAGMA = re.compile(r"^\s*#\s*pragma\s+omp\b", re.MULTILINE)
MAIN = re.compile(r"^int\s+main\s*\(", re.MULTILINE)


def floor_of(module):
    for number, modules in enumerate(FLOORS):
        if module in modules:
            return number
    return None


def complaints(module, path, text, root):
    """What is wrong with one file of `module`, as (line, words)."""
    floor = floor_of(module)
    for match in INCLUDE.finditer(text):
        line = text.count("\n", 0, match.start(1)) + 1
        name = match.group(2)
        public = re.fullmatch(r"nnmpi/(\w+)\.h", name)
        if public:
            other = public.group(1)
            if floor_of(other) is None:
                yield line, f"<nnmpi/{other}.h> is the header of no module"
            elif other != module and floor_of(other) >= floor and (module, other) not in NEIGHBOURS:
                yield line, f"{module} (floor {floor}) may not include {name} (floor {floor_of(other)})"
        elif match.group(1) == "<":
            for pattern, owner in ONLY_IN.items():
                if re.fullmatch(pattern, name) and module != owner:
                    yield line, f"only {owner} may include <{name}>"
        else:
            own = [path.parent / name, root / "src" / name]
            found = [place for place in own if place.is_file()]
            if not found and name == "nnmpi_commit.h" and module == "support":
                continue  # made by the build
            if not found:
                yield line, f'"{name}" is no file of this repository'
            elif found[0].resolve().parent != (root / "src" / module).resolve():
                owner = found[0].resolve().parent.name
                if name not in SHARED:
                    yield line, f'"{name}" is private to {owner}'
                elif floor_of(owner) >= floor:
                    yield line, f"{module} (floor {floor}) may not include {name} (floor {floor_of(owner)})"
    if module != "kernels":
        for match in PRAGMA.finditer(text):
            yield text.count("\n", 0, match.start()) + 2, "threads are started by kernels alone (nn_team)"
    if MAIN.search(text) and module != "cli":
        yield 1, "main() belongs into cli"


def main():
    root = Path(__file__).resolve().parents[2]
    files = [(path.stem, path) for path in sorted((root / "include" / "nnmpi").glob("*.h"))]
    for folder in sorted((root / "src").iterdir()):
        files += [(folder.name, path) for path in sorted(folder.rglob("*.[ch]"))]
    found = []
    for module, path in files:
        if floor_of(module) is None:
            found.append(f"{path.relative_to(root)}: {module} stands on no floor (tests/house/floors.py)")
            continue
        for line, words in complaints(module, path, path.read_text(encoding="utf-8"), root):
            found.append(f"{path.relative_to(root)}:{line}: {words}")
    print("\n".join(found) if found else f"{len(files)} files keep to their floors")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
