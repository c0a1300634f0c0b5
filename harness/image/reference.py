"""The image of the reference operator: this interpreter, what the operator imports, and the operator.

Nothing is downloaded and no distribution's packages are needed: what runs here runs there. The operator's modules are
loaded once here, which tells the shared libraries that they need, and which modules to compile: a pod that compiles
them itself needs some seconds of a core for it at every start.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import py_compile
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from harness.errors import PlatformError
from harness.image import base, store
from harness.image.files import Files
from harness.toolchain.machine import architecture

if TYPE_CHECKING:
    from harness.image.store import Image, Say

NEEDED = ("aiohttp", "grpcio", "grpcio-reflection", "protobuf", "psutil", "pyyaml", "watchfiles")
"""What harness.reference imports; a test compares it with the imports. What these need themselves comes with them."""

HOME = "/opt/python"
_OWN = ("__init__.py", "errors.py", "operator/__init__.py")
_OWN_TREES = ("reference", "operator/proto")
_UNUSED = (
    "__pycache__", "site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip",
    "lib2to3", "config-*", "_tkinter*", "_test*", "_ctypes_test*", "xx*", "*.a",
)  # fmt: skip
"""Parts of the standard library that no operator needs."""

_SCRIPT = f"""#!{HOME}/bin/python3
import sys
from harness.reference.command import main
sys.exit(main(sys.argv[1:]))
"""
_PACKAGE = Path(__file__).resolve().parents[1]
_REQUIREMENT = re.compile(r"[A-Za-z0-9._-]+")
_LOAD_S = 120.0
_LOADER = """
import importlib, json, pkgutil, sys
import encodings.idna, harness.reference
for found in pkgutil.walk_packages(harness.reference.__path__, "harness.reference."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
files = sorted({module.__file__ for module in sys.modules.values() if getattr(module, "__file__", None)})
mapped = sorted({line.split(None, 5)[5].strip() for line in open("/proc/self/maps") if ".so" in line})
print(json.dumps({"modules": files, "libraries": mapped}))
"""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the operator's process has loaded: source files of modules, and shared libraries."""

    modules: frozenset[Path]
    libraries: tuple[Path, ...]


def build(say: Say = store.silent) -> Image:
    """The reference operator as an image that is called as the public one is; raises PlatformError."""
    files = Files()
    notes = base.furnish(files)
    loaded = load()
    library = _interpreter(files)
    for name in sorted(distributions()):
        _distribution(files, name, f"{library}/site-packages")
    own = f"{library}/site-packages/harness"
    for name in _OWN:
        files.copy(f"{own}/{name}", _PACKAGE / name)
    for name in _OWN_TREES:
        files.tree(f"{own}/{name}", _PACKAGE / name, without=("__pycache__",))
    files.text(f"/usr/bin/{base.COMMAND}", _SCRIPT, program=True)
    there = {entry.source for entry in files.entries.values()}
    for path in loaded.libraries:
        if path not in there:
            for called in (path, *_links_to(path)):
                files.copy(str(called), path, program=True)
            files.library_dirs.add(str(path.parent))
    # What is compiled is not part of the identity: it follows from the sources and the interpreter, which are.
    recipe = base.recipe(files, ("PYTHONDONTWRITEBYTECODE", "1"), ("PYTHONUNBUFFERED", "1"))
    return store.made("reference", files, recipe, architecture(), say, notes, finish=partial(_compile, loaded.modules))


def distributions(roots: tuple[str, ...] = NEEDED) -> set[str]:
    """The distributions of these names and all that they need here, in lower case with dashes."""
    found: set[str] = set()
    left = list(roots)
    while left:
        name = _canonical(left.pop())
        if name in found:
            continue
        try:
            requires = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            if name in {_canonical(root) for root in roots}:
                raise PlatformError(
                    f"the Python package {name} is not installed", hint="pip install inventory-harness"
                ) from None
            continue  # for another Python, another system
        found.add(name)
        left += [one[0] for text in requires if "extra ==" not in text and (one := _REQUIREMENT.match(text))]
    return found


def load() -> Loaded:
    """Load every module of the operator in a process of its own; raises PlatformError when one cannot be loaded."""
    environment = {"PYTHONPATH": str(_PACKAGE.parent), "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", _LOADER], capture_output=True, text=True, timeout=_LOAD_S, check=False,
            env=environment,
        )  # fmt: skip
    except subprocess.TimeoutExpired as exc:
        raise PlatformError(
            f"the reference operator's modules were not loaded within {_LOAD_S:g} s", hint="is this machine very busy?"
        ) from exc
    if done.returncode != 0:
        raise PlatformError(f"the reference operator's modules cannot be loaded:\n{done.stderr.strip()[-500:]}")
    found = json.loads(done.stdout)
    modules = frozenset(Path(name).resolve() for name in found["modules"])
    return Loaded(modules, tuple(Path(name).resolve() for name in found["libraries"]))


def _compile(modules: frozenset[Path], files: Files, scratch: Path) -> None:
    """Compile these modules; the results are put beside them. `scratch`: where they are kept meanwhile.

    They are taken as they are (PEP 552, unchecked): the times of the image's files say nothing.
    """
    tag = sys.implementation.cache_tag
    for number, (path, entry) in enumerate(sorted(files.entries.items())):
        if path.suffix != ".py" or not isinstance(entry.source, Path) or entry.source.resolve() not in modules:
            continue
        target = scratch / f"{number}.pyc"
        py_compile.compile(
            str(entry.source), cfile=str(target), dfile=str(path), doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )  # fmt: skip
        files.copy(str(path.parent / "__pycache__" / f"{path.stem}.{tag}.pyc"), target)


def _links_to(library: Path) -> list[Path]:
    """The links beside a library that lead to it: libfoo.so.1.2 is mapped, and libfoo.so.1 is what was asked for."""
    stem = library.name.partition(".so")[0]
    beside = sorted(library.parent.glob(f"{stem}.so*"))
    return [path for path in beside if path.is_symlink() and path.resolve() == library]


def _interpreter(files: Files) -> str:
    """Put the interpreter and its standard library there; the directory of the latter in the image."""
    executable = Path(sys.executable).resolve()
    program = files.program(f"{HOME}/bin/python3", executable)
    if program.static:
        raise PlatformError(f"{executable} is a static interpreter, which loads no modules", hint="use another Python")
    standard = Path(os.__file__).resolve().parent
    library = f"{HOME}/{PurePosixPath(sys.platlibdir)}/{standard.name}"
    files.tree(library, standard, without=_UNUSED)
    return library


def _distribution(files: Files, name: str, where: str) -> None:
    distribution = importlib.metadata.distribution(name)
    for listed in distribution.files or ():
        source = Path(str(distribution.locate_file(listed)))
        if ".." in listed.parts or "__pycache__" in listed.parts or not source.is_file():
            continue
        files.copy(f"{where}/{listed.as_posix()}", source)


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
