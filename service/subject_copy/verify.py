"""Check this copy: that no file was changed, and that what it says is what was written down.

    pip install decision-ledger
    python verify.py                  with the keys in policy.txt, which came with the copy
    python verify.py --policy FILE    with keys that you have from elsewhere, which is better

Every file is compared with manifest.json. Every proof in proofs/ is checked with those keys:
it shows that the entry was in the log when the log was signed. Every opening is compared with
its entry, and data.json with the openings. Nothing is sent anywhere.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def main() -> int:
    """0 if everything holds, 1 if something does not."""
    parser = argparse.ArgumentParser(description="Check this copy.")
    parser.add_argument("--policy", type=Path, default=HERE / "policy.txt")
    chosen = parser.parse_args()
    from ledger.errors import LedgerError
    from ledger.tlog.policy import Policy

    wrong = _changed_files()
    policy = Policy.parse(chosen.policy.read_text("utf-8"))
    data = json.loads((HERE / "data.json").read_text("utf-8"))
    stated = {each["id"]: each for each in data["decisions"]}
    checked = 0
    for path in sorted((HERE / "proofs").glob("*.tlog-proof")):
        checked += 1
        entry_id = path.name.removesuffix(".tlog-proof")
        try:
            shown = _disclosed(path, policy)
        except (LedgerError, OSError) as error:
            wrong.append(f"proofs/{path.name}: {error}")
            continue
        if entry_id in stated:
            wrong += _differences(stated.pop(entry_id), shown)
    wrong += [f"data.json: there is no proof of {each}" for each in stated]
    wrong += _export(policy)
    for each in wrong:
        sys.stdout.write(f"DOES NOT HOLD: {each}\n")
    if not wrong:
        sys.stdout.write(
            f"Everything holds: {len(data['decisions'])} decisions, {checked} proofs.\n"
        )
    return 1 if wrong else 0


def _changed_files() -> list[str]:
    listed = json.loads((HERE / "manifest.json").read_text("utf-8"))["files"]
    wrong = []
    for each in listed:
        path = HERE / each["path"]
        if not path.is_file():
            wrong.append(f"{each['path']}: it is missing")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != each["sha256"]:
            wrong.append(f"{each['path']}: it was changed")
    return wrong


def _disclosed(path: Path, policy: Any) -> dict[str, dict[str, Any]]:
    """The members that were written down, by section, proved."""
    from ledger.verify.verifier import DisclosedSections, verify_disclosed, verify_receipt

    receipt = verify_receipt(path.read_text("utf-8"), policy)
    opened = path.with_name(path.name.removesuffix(".tlog-proof") + ".openings.json")
    sections = DisclosedSections.parse(opened.read_bytes())
    verify_disclosed(receipt.entry, sections)
    return {each.section: each.disclosed() for each in sections.openings}


def _differences(stated: dict[str, Any], shown: dict[str, dict[str, Any]]) -> list[str]:
    return [
        f"data.json: {section} of {stated['id']} is not what was written down"
        for section in ("input", "output", "context")
        if stated[section] != shown.get(section)
    ]


def _export(policy: Any) -> list[str]:
    """That the log says that this very copy was handed out."""
    from ledger.errors import LedgerError
    from ledger.verify.verifier import verify_receipt

    digest = hashlib.sha256((HERE / "manifest.json").read_bytes()).hexdigest()
    try:
        body = verify_receipt((HERE / "export.tlog-proof").read_text("utf-8"), policy).entry.body
    except (LedgerError, OSError) as error:
        return [f"export.tlog-proof: {error}"]
    if getattr(body, "manifest", "") != digest:
        return ["export.tlog-proof: it is of another copy"]
    return []


if __name__ == "__main__":
    sys.exit(main())
