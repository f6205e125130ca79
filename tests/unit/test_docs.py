"""The docs against the code, both ways."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

import file_uploader
from file_uploader import root_path
from file_uploader.http import problems
from file_uploader.http.app import fixed, routes
from file_uploader.http.fields import digests
from file_uploader.http.pages import problem_types
from file_uploader.http.routing import NoRoute
from file_uploader.settings import Settings
from file_uploader.uploads.rules import Uploads
from tests.support.double import StorageDouble

ROOT = Path(__file__).parents[2]
DOCS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
SETTINGS = {name.upper() for name in Settings.model_fields}


def read(path: str) -> str:
    """The text of a file of the repository."""
    return (ROOT / path).read_text(encoding="utf-8")


def headings(markdown: str, level: int | None = None) -> list[str]:
    """The headings of a page, code blocks left out."""
    hashes = "#+" if level is None else "#" * level
    prose = re.sub(r"^```.*?^```", "", markdown, flags=re.MULTILINE | re.DOTALL)
    return re.findall(rf"^{hashes} (.+)$", prose, flags=re.MULTILINE)


def section(markdown: str, heading: str) -> str:
    """What is below a heading, up to the next of its level."""
    found = re.search(
        rf"^(#+) {re.escape(heading)}\n(.*?)(?=^#{{1,2}} |\Z)", markdown, re.MULTILINE | re.DOTALL
    )
    assert found is not None, f"no section {heading}"
    return found[2]


def anchor(heading: str) -> str:
    """The fragment by which a heading is linked to."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_setting_has_a_heading_and_every_heading_a_setting() -> None:
    assert set(headings(read("docs/configuration.md"), 3)) == SETTINGS


def test_the_overview_lists_every_setting_once() -> None:
    rows = re.findall(r"^\| \[`([A-Z_0-9]+)`\]", read("docs/configuration.md"), re.MULTILINE)
    assert sorted(rows) == sorted(SETTINGS)


def test_the_example_lists_every_setting_once() -> None:
    lines = re.findall(r"^#?([A-Z_0-9]+)=.*$", read(".env.example"), re.MULTILINE)
    assert sorted(lines) == sorted(SETTINGS)


def test_the_example_changes_no_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*SETTINGS, "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    example = read(".env.example")
    commented_in = re.sub(r"^#([A-Z_0-9]+=.+)$", r"\1", example, flags=re.MULTILINE)
    defaults = _settings(tmp_path / "none", "")
    assert _settings(tmp_path / "as-it-is", example) == defaults
    assert _settings(tmp_path / "commented-in", commented_in) == defaults


def _settings(path: Path, text: str) -> Settings:
    path.write_text(text, encoding="utf-8")
    make: Any = Settings
    return cast("Settings", make(_env_file=path))


def test_the_documented_defaults_are_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example's values are the defaults (above); the overview's are the example's."""
    rows = dict(
        re.findall(
            r"^\| \[`(\w+)`\]\S+ \| `([^`]+)` \|$", read("docs/configuration.md"), re.MULTILINE
        )
    )
    example = dict(re.findall(r"^#?([A-Z_0-9]+)=(.+)$", read(".env.example"), re.MULTILINE))
    assert rows == example


def test_a_worker_that_hangs_is_killed_when_the_docs_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # Not where a developer's .env is.
    from file_uploader.server import configuration  # noqa: PLC0415

    assert f"gives none for {configuration.timeout} seconds" in read("docs/operations.md")


def test_every_problem_type_has_a_heading_and_every_heading_a_problem_type() -> None:
    documented = re.findall(
        r"^### (.+)$", section(read("docs/api.md"), "Problem types"), re.MULTILINE
    )
    assert len(documented) == len(set(documented))
    assert {problem.slug for problem in problems.ALL} == set(documented)


@pytest.mark.parametrize("problem", problems.ALL, ids=lambda problem: problem.slug)
def test_problem_types_are_documented_with_their_status(problem: problems.Problem) -> None:
    text = re.search(
        rf"^### {problem.slug}\n\n(.*?)(?=^#|\Z)", read("docs/api.md"), re.MULTILINE | re.DOTALL
    )
    assert text is not None
    assert text[1].startswith(f"`{problem.status}`")
    assert ("`Retry-After`" in text[1]) == problem.retry


@pytest.mark.parametrize("path", ["docs/api.md", "file_uploader/http/pages/openapi.yaml"])
def test_every_digest_that_is_refused_is_documented(path: str) -> None:
    named = {name.lower().rstrip("*") for name in re.findall(r"`([A-Za-z0-9*-]+)`", read(path))}
    assert {*digests.UNCHECKED, "trailer"} <= named


@pytest.mark.parametrize("problem", problems.ALL, ids=lambda problem: problem.slug)
def test_problem_types_are_explained_in_the_words_of_the_manual(problem: problems.Problem) -> None:
    text = re.search(
        rf"^### {problem.slug}\n\n(.*?)(?=^#|\Z)", read("docs/api.md"), re.MULTILINE | re.DOTALL
    )
    assert text is not None
    words = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", " ".join(text[1].split()))
    assert words.endswith(problem_types.MEANINGS[problem.slug])
    assert problem_types.MEANINGS.keys() == {each.slug for each in problems.ALL}


def test_the_table_of_symptoms_names_problems_that_exist() -> None:
    table = section(read("docs/operations.md"), "Troubleshooting")
    named = set(re.findall(r"`(\d{3}) ([a-z-]+)`", table))
    assert len(named) > 8
    assert named <= {(str(problem.status), problem.slug) for problem in problems.ALL}


def test_problem_types_point_into_the_docs_unless_they_are_registered() -> None:
    for problem in problems.ALL:
        path, _, fragment = problem.type.partition("#")
        if problem.registered:
            assert path == "https://iana.org/assignments/http-problem-types"
            path = "/docs/api.md"
        page = ROOT / path.lstrip("/")
        assert fragment in {anchor(heading) for heading in headings(page.read_text())}


def test_every_route_is_documented_and_every_documented_route_exists(tmp_path: Path) -> None:
    api = read("docs/api.md")
    documented = set(re.findall(r"^\| `([A-Z]+)` \| `(/[^`]*)` \|", api, re.MULTILINE))
    existing: set[tuple[str, str]] = set()
    storage = StorageDouble()
    uploads = Uploads(storage, expiry=timedelta(days=1))
    everything = _settings(tmp_path / "everything", "METRICS_TOKEN=0123456789abcdef")
    for route in cast("list[Any]", routes(storage, uploads, everything, fixed(tmp_path))):
        if not isinstance(route, NoRoute):
            existing |= {(method, route.path) for method in route.methods}
    own = {path.partition("/{")[0] for _, path in existing} - {"/"}
    assert all(map(root_path.is_own, own)), "the service could be below one of its own paths"
    with_options = {path for method, path in existing if method == "OPTIONS"}
    assert with_options == {path for _, path in existing}
    assert "`OPTIONS` on each of these paths" in api
    assert documented == {(method, path) for method, path in existing if method != "OPTIONS"}


def _links() -> Iterator[tuple[Path, str]]:
    for page in DOCS:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:", target):
                yield page, target


def _leads_somewhere(page: Path, target: str) -> bool:
    path, _, fragment = target.partition("#")
    linked = (page.parent / path).resolve() if path else page
    if not (fragment and linked.exists()):
        return linked.exists()
    text = linked.read_text(encoding="utf-8")
    return fragment in {anchor(heading) for heading in headings(text)}


def test_links_resolve() -> None:
    found = list(_links())
    assert len(found) > 100
    assert [(page.name, to) for page, to in found if not _leads_somewhere(page, to)] == []


def test_every_page_is_reachable_from_the_readme() -> None:
    linked = set(re.findall(r"\]\((docs/[^)#]+\.md)", read("README.md")))
    assert linked == {str(page.relative_to(ROOT)) for page in ROOT.glob("docs/*.md")}


@pytest.mark.parametrize("page", ["architecture", "internals", "decisions"])
def test_what_the_docs_name_of_the_sources_is_there(page: str) -> None:
    text = read(f"docs/{page}.md")
    there = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines()
    files = set(re.findall(r"[\w./-]*\w\.(?:py|ts|tsx)\b", text))
    assert len(files) > 3
    assert [
        file for file in files if not any(f"/{each}".endswith(f"/{file}") for each in there)
    ] == []


def test_what_the_architecture_follows_by_name_is_there() -> None:
    sources = "\n".join(path.read_text() for path in ROOT.glob("file_uploader/**/*.py"))
    named = set(re.findall(r"`([A-Z][a-z]\w*)(?:\.(\w+))?`", read("docs/architecture.md")))
    assert len(named) > 20
    missing = [
        name
        for name, method in named - {("PutObject", "")}
        if f"class {name}" not in sources or (method and f"def {method}(" not in sources)
    ]
    assert missing == []


def test_commands_in_the_docs_are_make_targets() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", read("Makefile"), re.MULTILINE))
    text = "\n".join(page.read_text(encoding="utf-8") for page in DOCS)
    named = set(re.findall(r"(?:`|\$ )make ([a-z][a-z-]*)", text + read(".env.example")))
    assert named <= targets
    assert {"run", "test", "docker-run", "docker-logs", "run-dev", "logs", "stop-dev"} <= named


def test_every_target_is_in_the_help_and_is_no_file() -> None:
    makefile = read("Makefile")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    assert targets == set(re.findall(r"^([a-z][a-z-]*):.* ## .+$", makefile, re.MULTILINE))
    assert targets == set(re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE))


def test_the_version_is_the_same_everywhere() -> None:
    version = file_uploader.__version__
    assert version in re.findall(r"^## \[?([^]\s]+)\]?", read("CHANGELOG.md"), re.MULTILINE)
    assert f'org.opencontainers.image.version="{version}"' in read("docker/Dockerfile")


def _published() -> list[Path]:
    """Every file of the repository that is or is about to be in its history."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a checkout")
    names = listed.stdout.decode().rstrip("\0").split("\0")
    return [path for name in names if (path := ROOT / name).is_file()]


def test_nothing_speaks_of_one_machine_or_of_a_registry() -> None:
    # The brackets keep this file from finding itself.
    forbidden = re.compile(r"/[r]oot/|/[w]ork/|/[h]ome/|[.]py[e]nv|\b[p]ypi\b", re.IGNORECASE)
    for path in _published():
        if path.suffix not in {".png", ".ico"}:
            found = forbidden.search(path.read_text(encoding="utf-8", errors="replace"))
            assert found is None, f"{path.relative_to(ROOT)}: {found and found[0]}"


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _pins(path: str) -> dict[str, str]:
    """The pins of a requirements file: name to version. Any other line fails."""
    found = {}
    for line in read(path).splitlines():
        if line.startswith(("#", "-r requirements")):
            continue
        pin = re.fullmatch(r"([A-Za-z0-9_.-]+)==([^\s;]+)(?: ; .+)?", line)
        assert pin is not None, f"{path}: {line}"
        found[_canonical(pin[1])] = pin[2]
    return found


def test_requirements_pin_what_pyproject_asks_for() -> None:
    project = tomllib.loads(read("pyproject.toml"))
    runtime, test = _pins("requirements-runtime.txt"), _pins("requirements.txt")
    bench = _pins("requirements-bench.txt")
    assert not runtime.keys() & test.keys()
    assert not bench.keys() & (runtime.keys() | test.keys())
    assert read("requirements.txt").count("-r requirements-runtime.txt\n") == 1
    assert read("requirements-bench.txt").count("-r requirements.txt\n") == 1
    packaging = pytest.importorskip("packaging.requirements")  # pytest brings it
    for wanted, pinned in (
        (project["project"]["dependencies"], runtime),
        (project["dependency-groups"]["test"], {**runtime, **test}),
        (project["dependency-groups"]["bench"], bench),
    ):
        for text in wanted:
            requirement = packaging.Requirement(text)
            assert pinned[_canonical(requirement.name)] in requirement.specifier, text
