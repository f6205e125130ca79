"""Each module of the package can be the first one that is imported: none hides in a circle."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

# A fork has what others have made, which takes most of an import's time, and nothing of ours.
ALONE = """
import gc, importlib, os, sys, traceback

gc.disable()
others, modules = (argument.split(",") for argument in sys.argv[1:])
for module in others:
    importlib.import_module(module)
ours = [name for name in sys.modules if name.startswith("file_uploader")]
assert not ours, ours
failed = []
for module in modules:
    if not (child := os.fork()):
        try:
            importlib.import_module(module)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        failed.append(module)
sys.exit(f"not alone: {', '.join(failed)}" if failed else 0)
"""
OTHERS = ",".join(
    (
        *("aiobotocore.session", "aiohttp", "apsw", "gunicorn.asgi.protocol", "gunicorn.glogging"),
        *("gunicorn.workers.gasgi", "opentelemetry.trace", "prometheus_client.multiprocess"),
        *("pydantic_settings", "starlette.responses", "starlette.routing", "tqdm", "yaml"),
    )
)


def modules(root: Path) -> list[str]:
    """The names of all modules below a directory that holds the package."""
    paths = sorted(path.relative_to(root) for path in (root / "file_uploader").rglob("*.py"))
    return [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths]


def imported_alone(root: Path, names: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", ALONE, OTHERS, ",".join(names)],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )


def test_each_module_is_imported_alone() -> None:
    done = imported_alone(ROOT, modules(ROOT))
    assert done.returncode == 0, done.stderr


def test_a_circle_is_found(tmp_path: Path) -> None:
    package = tmp_path / "file_uploader"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "fine.py").write_text("from . import first")
    (package / "first.py").write_text("from .second import b\na = 1")
    (package / "second.py").write_text("from .first import a\nb = 1")
    done = imported_alone(tmp_path, modules(tmp_path))
    assert done.stderr.splitlines()[-1] == (
        "not alone: file_uploader.fine, file_uploader.first, file_uploader.second"
    )
