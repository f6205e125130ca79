"""The Dockerfile without Docker: its steps replayed, its command run, as a container would.

Every base image is stood in for by this machine's own root file system under an overlay, so nothing
that a step writes reaches the machine. A command runs as process 1 of a process namespace of its
own, with the image's user, environment and working directory, a read-only root and no
capabilities. The network is the machine's.
"""

from __future__ import annotations

import contextlib
import fnmatch
import json
import os
import re
import shlex
import shutil
import string
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.checkout import ROOT

BASE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PYTHONS = ("/usr/local/bin/python3", "/usr/bin/python3")
_REGISTRIES = ("pip_", "npm_config_")
_UNSHARE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private")


class CannotReplayError(RuntimeError):
    """This machine cannot do what the replay needs; the message says what that is."""


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile, its continuation lines joined."""

    keyword: str
    value: str

    @property
    def arguments(self) -> list[str]:
        """The words of the value; of an exec form, its elements."""
        if self.value.startswith("["):
            return [str(one) for one in json.loads(self.value)]
        return shlex.split(self.value)


def parse(dockerfile: str) -> list[Instruction]:
    """The instructions in their order."""
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    pairs = (line.split(maxsplit=1) for line in joined.splitlines() if line.strip())
    return [Instruction(keyword.upper(), value) for keyword, value in pairs]


def in_context(ignore: str, name: str) -> bool:
    """Whether ``.dockerignore`` lets this file into the build: the last pattern that fits decides.

    A pattern fits a file if it fits it or a directory that it is in.
    """
    parts = name.split("/")
    ways = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
    included = True
    for line in ignore.splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        negated, pattern = pattern.startswith("!"), pattern.removeprefix("!")
        if any(_fits(way, pattern) for way in ways):
            included = negated
    return included


def _fits(path: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch.fnmatchcase(path.rpartition("/")[2], pattern[3:])
    if "/" not in pattern and "/" in path:
        return False  # a star does not cross a slash
    return fnmatch.fnmatchcase(path, pattern)


@dataclass
class Stage:
    """One stage of the build, and what it says of how to run it."""

    directory: Path
    user: str = "0:0"
    workdir: str = "/"
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": BASE_PATH})
    volumes: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("upper", "work", "root"):
            (self.directory / name).mkdir(parents=True)

    @property
    def written(self) -> Path:
        """What the steps have written, and nothing of the base."""
        return self.directory / "upper"

    def process(
        self,
        command: list[str],
        *,
        user: str,
        environment: Mapping[str, str],
        read_only: bool = False,
        mounts: Mapping[Path, str] | None = None,
        tmpfs: tuple[str, ...] = (),
    ) -> list[str]:
        """The command line that runs a command in this stage."""
        at = self.directory
        root = shlex.quote(str(at / "root"))
        layers = f"lowerdir=/,upperdir={at}/upper,workdir={at}/work"
        script = [
            "set -e",
            f"mount -t overlay overlay -o {shlex.quote(layers)} {root}",
            f"mount --rbind /dev {root}/dev",
            f"mount -t proc proc {root}/proc",
            *(f"mount -t tmpfs -o size=64m,mode=1777 tmpfs {root}{one}" for one in tmpfs),
            *(f"mount --bind {shlex.quote(str(a))} {root}{b}" for a, b in (mounts or {}).items()),
            *([f"mount -o remount,ro {root}"] if read_only else []),
        ]
        uid, gid = user.split(":")
        become = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"]
        if uid != "0":
            become += ["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
        variables = [f"{name}={value}" for name, value in environment.items()]
        inside = f"cd {shlex.quote(self.workdir)} && exec " + shlex.join(command)
        words = ["chroot", str(at / "root"), *become, "env", "-i", *variables, "sh", "-c", inside]
        return [*_UNSHARE, "sh", "-c", "; ".join([*script, "exec " + shlex.join(words)])]


class Image:
    """The last stage of a Dockerfile that has been replayed."""

    def __init__(self, scratch: Path, context: Path, dockerfile: str) -> None:
        self._context = context
        self._stages: dict[str, Stage] = {}
        self._registries = {
            name: value
            for name, value in os.environ.items()
            if name.lower().startswith(_REGISTRIES)
        }
        for number, instruction in enumerate(parse(dockerfile)):
            if instruction.keyword == "FROM":
                words = instruction.arguments
                self.stage = Stage(scratch / str(number))
                self._stages[words[2] if len(words) == 3 else str(number)] = self.stage
                self._add_programs(words[0])
            else:
                getattr(self, f"_{instruction.keyword.lower()}")(instruction)

    def _add_programs(self, image: str) -> None:
        """Put in place what this base image has, and the machine under another name or not at all.

        Python images have ``python``; it must not be one that only root can reach.
        """
        name, _, _ = image.partition(":")
        if name == "node":
            if any(shutil.which(program, path=BASE_PATH) is None for program in ("node", "npm")):
                raise CannotReplayError("needs a Node.js and an npm of the system's")
            return
        base = next((one for one in _PYTHONS if Path(one).exists()), None)
        if base is None:
            raise CannotReplayError("needs a Python 3 of the system's")
        program = self.stage.written / "usr/local/bin/python"
        program.parent.mkdir(parents=True)
        program.symlink_to(base)

    def _copy(self, instruction: Instruction) -> None:
        words = instruction.arguments
        source = self._context
        if words[0].startswith("--from="):
            source = self._stages[words.pop(0).removeprefix("--from=")].written
        *names, target = words
        for name in names:
            origin = source / name.lstrip("/")
            copy = self.stage.written / target.lstrip("/")
            if target.endswith("/"):
                copy /= origin.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            if origin.is_dir():
                shutil.copytree(origin, copy, symlinks=True, dirs_exist_ok=True)
            else:
                shutil.copy2(origin, copy)

    def _run(self, instruction: Instruction) -> None:
        command = self.stage.process(
            ["sh", "-c", instruction.value],
            user=self.stage.user,
            environment={**self._registries, **self.stage.environment},
        )
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if "mount:" in done.stderr or "unshare:" in done.stderr:
            raise CannotReplayError(f"needs mount namespaces and overlays: {done.stderr}")
        if done.returncode:
            raise AssertionError(f"{instruction.value}: {done.stdout}{done.stderr}"[-4000:])

    def _env(self, instruction: Instruction) -> None:
        for word in instruction.arguments:
            name, _, value = word.partition("=")
            value = string.Template(value).substitute(self.stage.environment)
            self.stage.environment[name] = value

    def _user(self, instruction: Instruction) -> None:
        self.stage.user = instruction.value

    def _workdir(self, instruction: Instruction) -> None:
        self.stage.workdir = instruction.value
        (self.stage.written / instruction.value.lstrip("/")).mkdir(parents=True, exist_ok=True)

    def _volume(self, instruction: Instruction) -> None:
        self.stage.volumes = instruction.arguments

    def _cmd(self, instruction: Instruction) -> None:
        self.stage.command = instruction.arguments

    def _healthcheck(self, instruction: Instruction) -> None:
        self.stage.health = json.loads(instruction.value.partition("CMD ")[2])

    def _label(self, instruction: Instruction) -> None:
        """Says nothing of how the image runs."""

    _expose = _stopsignal = _label

    def volume(self, path: str, directory: Path) -> Path:
        """A new volume for this path: what the image has there, with its owner and mode."""
        origin = self.stage.written / path.lstrip("/")
        directory.mkdir()
        if origin.exists():
            subprocess.run(["cp", "-a", f"{origin}/.", str(directory)], check=True)
        about = (origin if origin.exists() else Path(path)).stat()
        os.chown(directory, about.st_uid, about.st_gid)
        directory.chmod(about.st_mode & 0o7777)
        return directory

    def container(
        self,
        command: list[str],
        *,
        environment: Mapping[str, str] | None = None,
        mounts: Mapping[Path, str],
        tmpfs: tuple[str, ...] = ("/tmp",),
    ) -> list[str]:
        """The command line that runs a command in a container with a read-only root."""
        return self.stage.process(
            command,
            user=self.stage.user,
            environment={**self.stage.environment, **(environment or {})},
            read_only=True,
            mounts=mounts,
            tmpfs=tmpfs,
        )


@contextlib.contextmanager
def replayed() -> Iterator[Image]:
    """Replay the project's Dockerfile. Raises `CannotReplayError`."""
    if os.geteuid() != 0:
        raise CannotReplayError("needs root")
    # An overlay's upper layer must not lie in its lower one: this is another file system.
    scratch = Path(tempfile.mkdtemp(dir="/dev/shm"))
    scratch.chmod(0o755)
    try:
        context = scratch / "context"
        ignore = (ROOT / ".dockerignore").read_text()
        for path in _files_to_send():
            if in_context(ignore, path):
                copy = context / path
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / path, copy)
        yield Image(scratch, context, (ROOT / "docker/Dockerfile").read_text())
    finally:
        shutil.rmtree(scratch)


def _files_to_send() -> list[str]:
    """Everything below the root, but for what is too big to walk and ignored anyway."""
    skipped = {".git", ".venv", ".mypy_cache", ".ruff_cache", ".hypothesis", "node_modules"}
    found = []
    for directory, below, names in os.walk(ROOT):
        below[:] = [name for name in below if name not in skipped]
        found += [str((Path(directory) / name).relative_to(ROOT)) for name in names]
    return found
