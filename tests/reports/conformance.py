"""Is a file PDF/A-3a and PDF/UA-1? A validator's verdict, and assertions of ours.

page-validation 0.11 is agreed with by the veraPDF corpus but for two findings, which are
waived only where an exact check of ours shows that the file is right:

- STREAM-LENGTH where compressed data ends in 0x0D, which it takes for an end of line;
- SIGNATURE-BYTERANGE of a signature that a later revision follows.
"""

import hashlib
import io
import re

import page
import pikepdf

PROFILES = ("PDF_A_3A", "PDF_UA_1")
FORBIDDEN_ACTIONS = {"/GoToR", "/JavaScript", "/Launch", "/SubmitForm"}


def problems(data: bytes) -> list[str]:
    """What is wrong with a file; nothing for a file that conforms."""
    found = []
    for profile in PROFILES:
        verdict = page.validate_pdf_bytes(
            data,
            profile=getattr(page.ValidationProfile, profile),
            limits=page.SafetyLimits.unlimited(),
        )
        found += [f"{f.rule_id}: {f.message}" for f in verdict.failures if not waived(f, data)]
    with pikepdf.open(io.BytesIO(data)) as pdf:
        return found + catalogue(pdf) + objects(pdf) + attachments(pdf)


def waived(failure: page.ValidationFailure, data: bytes) -> bool:
    match failure.rule_id:
        case "PDFA3A-STREAM-LENGTH-001":
            return streams_exact(data)
        case "PDFA3A-SIGNATURE-BYTERANGE-001":
            return byte_ranges_exact(data)
    return False


def streams_exact(data: bytes) -> bool:
    """Whether every stream ends where its length says (ISO 32000-1, 7.3.8.1)."""
    start = re.compile(rb"(?:^|[\r\n])\d+ \d+ obj\b(.*?)stream\r?\n", re.DOTALL)
    for stream in start.finditer(data):
        length = re.search(rb"/Length (\d+)(?! \d+ R)", stream[1])
        after = stream.end() + int(length[1]) if length else 0
        if length and not re.match(rb"\r?\n?endstream", data[after : after + 12]):
            return False
    return True


def byte_ranges_exact(data: bytes) -> bool:
    """Whether every signature covers its revision but for its own bytes."""
    ranges = re.compile(rb"/ByteRange\s*\[\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*\]")
    for found in ranges.finditer(data):
        start, length, after, rest = map(int, found.groups())
        ends = data[length : length + 1] == b"<" and data[after - 1 : after] == b">"
        if start or not ends or not re.search(rb"%%EOF\s{0,2}$", data[: after + rest]):
            return False
    return True


def catalogue(pdf: pikepdf.Pdf) -> list[str]:
    root = pdf.Root
    with pdf.open_metadata() as metadata:
        checks = {
            "a language": bool(str(root.get("/Lang", ""))),
            "marked": "/MarkInfo" in root and bool(root.MarkInfo.Marked),
            "a structure tree": "/StructTreeRoot" in root,
            "no actions": not {"/OpenAction", "/AA"} & set(root.keys()),
            "an output intent": root.OutputIntents[0].S == "/GTS_PDFA1",
            "PDF/A-3a": (metadata.get("pdfaid:part"), metadata.get("pdfaid:conformance"))
            == ("3", "A"),
            "PDF/UA-1": metadata.get("pdfuaid:part") == "1",
            "a title": bool(metadata.get("dc:title")),
        }
    files = [str(item.objgen) for item in root.get("/AF", [])]
    checks["each file once"] = len(files) == len(set(files))
    return [name for name, holds in checks.items() if not holds]


def objects(pdf: pikepdf.Pdf) -> list[str]:
    found = []
    for item in pdf.objects:
        if not isinstance(item, pikepdf.Dictionary):
            continue
        if item.get("/Type") == "/FontDescriptor" and not {"/FontFile2", "/FontFile3"} & set(
            item.keys()
        ):
            found.append(f"font not embedded: {item.get('/FontName')}")
        if str(item.get("/S", "")) in FORBIDDEN_ACTIONS:
            found.append(f"action {item.S}")
    return found


def attachments(pdf: pikepdf.Pdf) -> list[str]:
    found = []
    for name, spec in pdf.attachments.items():
        file = spec.get_file()
        if spec.obj.get("/AFRelationship") is None:
            found.append(f"{name}: no relationship")
        if file.md5 != hashlib.md5(file.read_bytes(), usedforsecurity=False).digest():
            found.append(f"{name}: checksum")
    return found
