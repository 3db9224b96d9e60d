"""A report as JUnit XML for the test summaries of GitHub, GitLab and Jenkins: a suite of one test."""

import re
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from edgernn.latency.report import Report

NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # characters that XML 1.0 excludes


def to_junit(report: Report, when: datetime) -> bytes:
    """Write a report as JUnit XML.

    FAIL and REGRESSED are failures. Without a verdict the test is skipped, with the reasons.

    Args:
        report: what to write.
        when: start of the command; with a time zone.
    """
    failed, skipped = int(report.passed is False), int(report.passed is None)
    counts = {"tests": "1", "failures": str(failed), "errors": "0", "time": f"{report.seconds:.3f}"}
    stamp = when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    suites = ET.Element("testsuites", {"name": "edgernn", **counts})
    attributes = {"name": f"edgernn {report.command}", **counts, "skipped": str(skipped), "timestamp": stamp}
    suite = ET.SubElement(suites, "testsuite", attributes)
    properties = ET.SubElement(suite, "properties")
    for name, value in {"verdict": report.qualified_verdict, **report.figures}.items():
        ET.SubElement(properties, "property", {"name": _plain(name), "value": _plain(value)})
    case = ET.SubElement(
        suite,
        "testcase",
        {
            "classname": f"edgernn.{report.command}",
            "name": _plain(f"{report.name}: {report.requirement}"),
            "time": counts["time"],
        },
    )
    reasons = _plain("; ".join(report.reasons))
    if failed:
        ET.SubElement(case, "failure", {"type": report.verdict, "message": reasons}).text = _plain(report.text)
    elif skipped:
        ET.SubElement(case, "skipped", {"message": f"{report.verdict}: {reasons}"})
    ET.SubElement(case, "system-out").text = _plain(report.text)
    ET.indent(suites)
    document: bytes = ET.tostring(suites, "utf-8", xml_declaration=True)
    return document + b"\n"


def _plain(text: str) -> str:
    """Text for XML; a character that XML excludes is replaced by its number."""
    return NOT_XML.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
