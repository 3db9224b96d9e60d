"""What a release is made of: a wheel with the same bytes wherever it is built, and workflows that trust nothing by its name."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PARTS = (
    "edgernn",
    "export",
    "devices",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "SECURITY.md",
    ".gitignore",
)


def built(folder: Path, umask: int) -> dict[str, bytes]:
    """The wheel and the source archive of a copy of the project: file name -> bytes."""
    for part in PARTS:
        copied = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copied(ROOT / part, folder / part)
    for path in folder.rglob("*"):
        os.utime(path, (10**9 + umask, 10**9 + umask))
    build = "import hatchling.build as build; build.build_wheel('out'); build.build_sdist('out')"
    subprocess.run([sys.executable, "-c", build], cwd=folder, check=True, capture_output=True, umask=umask)
    return {path.name: path.read_bytes() for path in (folder / "out").iterdir()}


def test_a_build_has_the_same_bytes_elsewhere_later_and_for_other_users(tmp_path):
    folders = [tmp_path / "a", tmp_path / "another" / "place"]
    first, second = (built(folder, umask) for folder, umask in zip(folders, (0o022, 0o077), strict=True))
    assert len(first) == 2
    assert first == second


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_an_action_is_named_by_its_commit_and_a_job_may_do_no_more_than_it_must(path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        for action in (step["uses"] for step in job["steps"] if "uses" in step):
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action), action
        writes = {scope for scope, access in job.get("permissions", {}).items() if access == "write"}
        runs = " ".join(step.get("run", "") for step in job["steps"])
        assert not writes or ("pip" not in runs and "make" not in runs), "code of others runs beside a right to write"


def test_what_is_published_was_built_and_tested_by_the_job_before_it():
    jobs = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8"))["jobs"]
    steps = [step.get("run", "") for step in jobs["build"]["steps"]]
    assert steps.index("bash .ci/run") < steps.index("make dist") < steps.index("make sbom")
    assert (jobs["attest"]["needs"], jobs["publish"]["needs"], jobs["page"]["needs"]) == ("build", "attest", "publish")


@pytest.mark.parametrize(
    ("tag", "changes", "wrong"),
    [
        ("v1.2.3", "## 1.2.3 (2027-01-31)\n", ""),
        ("1.2.3", "## 1.2.3 (2027-01-31)\n", "the tag is 1.2.3; expected v1.2.3"),
        ("v1.2.4", "## 1.2.3 (2027-01-31)\n", "the tag is v1.2.4"),
        ("v1.2.3", "## 1.2.3 (not released)\n", "has 'not released' as the date"),
        ("v1.2.3", "## 1.2.2 (2027-01-31)\n", "has no section '## 1.2.3"),
    ],
)
def test_a_tag_agrees_with_the_version_and_the_changes(tag, changes, wrong):
    spec = importlib.util.spec_from_file_location("release", ROOT / ".ci" / "release.py")
    release = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(release)
    faults = release.faults(tag, "1.2.3", changes)
    assert len(faults) == bool(wrong)
    assert not wrong or wrong in faults[0]
