"""A result as JUnit XML, as GitHub's, GitLab's and Jenkins' reporters read it: a suite of one test."""

import re
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from edgernn.latency.result import Result

UNSAYABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # no character of XML 1.0


def junit(result: Result, when: datetime) -> bytes:
    """The file.

    A FAIL or REGRESSED is a failure; what has no verdict is skipped, with its reasons.

    Args:
        result: what to write.
        when: the command began; with a time zone.
    """
    failed, skipped = int(result.passed is False), int(result.passed is None)
    counts = {"tests": "1", "failures": str(failed), "errors": "0", "time": f"{result.seconds:.3f}"}
    stamp = when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    suites = ET.Element("testsuites", {"name": "edgernn", **counts})
    told = {"name": f"edgernn {result.command}", **counts, "skipped": str(skipped), "timestamp": stamp}
    suite = ET.SubElement(suites, "testsuite", told)
    properties = ET.SubElement(suite, "properties")
    for name, value in {"verdict": result.sentence, **result.figures}.items():
        ET.SubElement(properties, "property", {"name": _plain(name), "value": _plain(value)})
    case = ET.SubElement(
        suite,
        "testcase",
        {
            "classname": f"edgernn.{result.command}",
            "name": _plain(f"{result.name}: {result.asked}"),
            "time": counts["time"],
        },
    )
    why = _plain("; ".join(result.why))
    if failed:
        ET.SubElement(case, "failure", {"type": result.verdict, "message": why}).text = _plain(result.text)
    elif skipped:
        ET.SubElement(case, "skipped", {"message": f"{result.verdict}: {why}"})
    ET.SubElement(case, "system-out").text = _plain(result.text)
    ET.indent(suites)
    written: bytes = ET.tostring(suites, "utf-8", xml_declaration=True)
    return written + b"\n"


def _plain(text: str) -> str:
    """What XML can say: a character that it cannot is written by its number."""
    return UNSAYABLE.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
