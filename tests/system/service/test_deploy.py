"""What is in ``deploy/`` besides the proxies: every file is read by the program that it is for.

Where that cannot be had, it is read by the rules that are published for it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from file_uploader.server import configuration
from tests.integration.service.test_metrics import SETTINGS, scraped, total
from tests.support import raw
from tests.support.checkout import ROOT
from tests.support.raw import Connection
from tests.support.s3_servers import S3Server
from tests.support.service import LocalBackend, S3Backend, Service, service
from tests.support.waiting import until
from tests.support.witness import fetch, store

DEPLOY = ROOT / "deploy"
STOP = configuration.graceful_timeout
OLDEST = "1.30"
"""The oldest Kubernetes that the manifest is for."""


def _program(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        message = f"needs {name}: apt-get install {package}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    return found


def _manifests() -> dict[str, Any]:
    text = (DEPLOY / "kubernetes/file-uploader.yaml").read_text()
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
@pytest.mark.parametrize("kind", _manifests())
def test_kubernetes_takes_the_manifest(kind: str, version: str) -> None:
    kubernetes_validate.validate(_manifests()[kind], version, strict=True)


def test_the_rules_of_kubernetes_are_noticed_when_broken() -> None:
    broken = _manifests()["Deployment"]
    broken["spec"]["template"]["spec"]["containers"][0]["readinessprobe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, OLDEST, strict=True)


def test_pods_keep_the_restricted_standard() -> None:
    """Kubernetes' Pod Security Standards, level restricted."""
    pod = _manifests()["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC"}
    assert {next(iter(volume.keys() - {"name"})) for volume in pod["volumes"]} == {"emptyDir"}


def test_the_parts_of_the_manifest_find_each_other() -> None:
    manifests = _manifests()
    template = manifests["Deployment"]["spec"]["template"]
    labels = template["metadata"]["labels"]
    assert manifests["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert manifests["Service"]["spec"]["selector"] == labels
    for kind in ("PodDisruptionBudget", "NetworkPolicy"):
        spec = manifests[kind]["spec"]
        assert (spec.get("selector") or spec["podSelector"])["matchLabels"] == labels
    names = {manifest["metadata"]["name"] for manifest in manifests.values()}
    assert names == {"file-uploader"}
    (container,) = template["spec"]["containers"]
    ports = {port["name"] for port in container["ports"]}
    assert {port["targetPort"] for port in manifests["Service"]["spec"]["ports"]} == ports
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in template["spec"]["volumes"]}
    assert container["startupProbe"]["httpGet"]["path"] == "/health"
    assert container["livenessProbe"]["httpGet"]["path"] == "/health"
    assert container["readinessProbe"]["httpGet"]["path"] == "/ready"


def test_no_request_is_cut_by_a_rollout() -> None:
    deployment = _manifests()["Deployment"]["spec"]
    pod = deployment["template"]["spec"]
    assert deployment["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    (_, pause) = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert pod["terminationGracePeriodSeconds"] >= int(pause) + STOP + 10


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The systemd unit, with a program that is there."""
    text = (DEPLOY / "systemd/file-uploader.service").read_text()
    program = "/opt/file-uploader/bin/file-uploader"
    assert program in text
    copy = tmp_path / "file-uploader.service"
    copy.write_text(text.replace(program, sys.executable))
    return copy


def test_systemd_takes_the_unit(unit: Path) -> None:
    analyze = _program("systemd-analyze", "systemd")
    done = subprocess.run(
        [analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert f"TimeoutStopSec={STOP + 10}\n" in unit.read_text()


def test_systemd_finds_little_that_the_unit_may_do(unit: Path) -> None:
    """Of 10 points for a service that nothing is kept from."""
    analyze = _program("systemd-analyze", "systemd")
    security = [analyze, "security", "--offline=yes", "--no-pager"]
    done = subprocess.run([*security, str(unit)], capture_output=True, text=True, check=True)
    (exposure,) = re.findall(r"Overall exposure level for .*: ([\d.]+)", done.stdout)
    assert float(exposure) <= 1.5


def test_prometheus_takes_the_configuration_and_every_alert_fires() -> None:
    promtool = _program("promtool", "prometheus")
    for command in (
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "--lint=all", "--lint-fatal", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
    ):
        done = subprocess.run(
            [promtool, *command],
            cwd=DEPLOY / "prometheus",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    tested = (DEPLOY / "prometheus/alerts_test.yml").read_text()
    for rule in _rules():
        assert f'"{rule["alert"]}"' in tested


def _rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_every_alert_is_in_the_table_of_symptoms() -> None:
    operations = (ROOT / "docs/operations.md").read_text()
    for rule in _rules():
        assert f"`{rule['alert']}`" in operations, rule["alert"]


def _panels() -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = json.loads((DEPLOY / "grafana/file-uploader.json").read_text())[
        "panels"
    ]
    return panels


def test_panels_have_places_of_their_own() -> None:
    assert len({panel["id"] for panel in _panels()}) == len(_panels())
    taken: set[tuple[int, int]] = set()
    for panel in _panels():
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


def _panel_expressions() -> Iterator[str]:
    for panel in _panels():
        for target in panel.get("targets", ()):
            expression: str = target["expr"]
            yield expression.replace("$__rate_interval", "5m").replace("$instance", ".*")


def test_prometheus_takes_what_the_panels_ask_for(tmp_path: Path) -> None:
    promtool = _program("promtool", "prometheus")
    rules = [
        {"record": f"panel:{number}", "expr": expression}
        for number, expression in enumerate(_panel_expressions())
    ]
    assert len(rules) > 20
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run(
        [promtool, "check", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


AFTER_A_FAULT = {"store_retries_total", "refused_requests_total", "sweep_removed_total"}
"""Figures that are there only once something has gone wrong."""


def _has_swept(running: Service) -> bool:
    return total(scraped(running.port), "sweeps_total") > 0


def test_all_figures_that_are_asked_for_are_there(
    ceph: S3Server, tmp_path: Path, log: Path
) -> None:
    """By name, and with the labels that they are chosen by; from real nodes on both stores."""
    there: dict[str, set[str]] = {}
    for backend in (LocalBackend(tmp_path / "data"), S3Backend(ceph, ceph.fresh_bucket())):
        with service(backend, log, settings=SETTINGS) as running:
            store(running, "name", b"content")
            fetch(running, "name")
            with Connection(running.port) as client:
                client.send(raw.head("HEAD", "/api/files/name", running.token))
                assert client.read_answer("HEAD").status == 200
            until(partial(_has_swept, running), "it has swept")
            for name, having in scraped(running.port):
                there.setdefault(name, {"instance", "job"}).update(label for label, _ in having)
    expressions = [*_panel_expressions(), *(rule["expr"] for rule in _rules())]
    asked = [
        (name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", selector)))
        for expression in expressions
        for name, selector in re.findall(r"\bfile_uploader_(\w+)(\{[^}]*\})?", expression)
    ]
    assert {name for name, _ in asked} - there.keys() <= AFTER_A_FAULT
    for name, labels in asked:
        assert name in AFTER_A_FAULT or labels <= there[name], name
