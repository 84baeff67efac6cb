"""The page has every metric as it is, and the alert rules name only metrics that are there."""

import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from service.gauges import GAUGES, of_processes
from service.meters import Meters

DOCS = Path(__file__).parents[1] / "docs"
ROW = re.compile(r"^\| `(ledger_[a-z_]+)` \| (\w+) \| ([^|]*)\|", re.MULTILINE)


def known() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Kind and labels of every metric, by the name under which it is shown."""
    made = Meters(CollectorRegistry())
    found = {}
    for each in vars(made).values():
        (family,) = each.describe()
        suffix = "_total" if family.type == "counter" else ""
        found[f"{family.name}{suffix}"] = (family.type, tuple(each._labelnames))
    processes = {"ledger_processes", "ledger_process_resident_bytes", "ledger_process_open_files"}
    for name, (_, labels) in GAUGES.items():
        found[name] = ("gauge", (*(() if name in processes else ("tenant",)), *labels))
    return found


def test_every_metric_is_documented_as_it_is_and_no_other() -> None:
    page = (DOCS / "operating.md").read_text("utf-8")
    written = {
        name: (kind, tuple(re.findall(r"`([a-z]+)`", labels)))
        for name, kind, labels in ROW.findall(page)
    }
    assert written == known()


def test_alert_rules_read_and_name_metrics_that_are_there() -> None:
    yaml: Any = pytest.importorskip("yaml")
    document = yaml.safe_load((DOCS / "alerts.yml").read_text("utf-8"))
    (group,) = document["groups"]
    names = {
        f"{name}{suffix}"
        for name, (kind, _) in known().items()
        for suffix in (("_bucket", "_count", "_sum") if kind == "histogram" else ("",))
    }
    alerts = [rule["alert"] for rule in group["rules"]]
    assert len(alerts) == len(set(alerts)) > 10
    for rule in group["rules"]:
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
        used = set(re.findall(r"\bledger_[a-z_]+", rule["expr"]))
        assert used, rule["alert"]
        assert used <= names, rule["alert"]
        assert rule["expr"].count("(") == rule["expr"].count(")")
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"]["summary"]


def test_processes_are_counted_where_the_system_tells(tmp_path: Path) -> None:
    import os

    if not Path("/proc/self/statm").exists():
        pytest.skip("the system tells nothing of processes")
    families = {each.name: each for each in of_processes(os.getpid())}
    (sample,) = [
        each
        for each in families["ledger_process_resident_bytes"].samples
        if each.labels["process"] == "serve"
    ]
    assert sample.value > 10_000_000
