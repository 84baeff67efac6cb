"""PDF from a page: PDF/A-3a for the archive and PDF/UA-1 for every reader, in one file.

The only module that imports WeasyPrint. The same page gives the same bytes in every process
with the same versions: no clock, no search for fonts outside `reports/fonts`, no fetching.
Standards: ISO 19005-3 level A, ISO 14289-1.
"""

import io
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any, Final

from reports.documents.attachment import Attachment
from reports.errors import DocumentError, FetchRefusedError
from reports.glyphs import check_drawable

# Read when WeasyPrint loads fonts: without it the machine's own fonts would join in.
os.environ["FONTCONFIG_FILE"] = str(Path(__file__).parent / "fonts" / "fonts.conf")

from weasyprint import HTML
from weasyprint import Attachment as _Embedded
from weasyprint.css import ColorProfile
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import FatalURLFetchingError, URLFetcher

__all__ = ["render"]

MAX_HTML: Final = 16 * 1024 * 1024  # characters; about 500 pages, which take minutes to lay out
PRODUCER: Final = "decision-ledger"
VARIANT: Final = "pdf/a-3a"
COLOURS: Final = "document-srgb"  # our name for the output intent

# WeasyPrint identifies one standard per file; this adds the other, and describes its schema,
# which PDF/A demands of every schema it does not know (ISO 19005-3, 6.6.2.3).
_PDF_UA: Final = (
    b'<rdf:Description rdf:about="" xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/"'
    b' pdfuaid:part="1"/>'
    b'<rdf:Description rdf:about=""'
    b' xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"'
    b' xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#"'
    b' xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">'
    b"<pdfaExtension:schemas><rdf:Bag>"
    b'<rdf:li rdf:parseType="Resource">'
    b"<pdfaSchema:schema>PDF/UA Universal Accessibility Schema</pdfaSchema:schema>"
    b"<pdfaSchema:namespaceURI>http://www.aiim.org/pdfua/ns/id/</pdfaSchema:namespaceURI>"
    b"<pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix>"
    b"<pdfaSchema:property><rdf:Seq>"
    b'<rdf:li rdf:parseType="Resource">'
    b"<pdfaProperty:name>part</pdfaProperty:name>"
    b"<pdfaProperty:valueType>Integer</pdfaProperty:valueType>"
    b"<pdfaProperty:category>internal</pdfaProperty:category>"
    b"<pdfaProperty:description>Part of ISO 14289</pdfaProperty:description>"
    b"</rdf:li>"
    b"</rdf:Seq></pdfaSchema:property>"
    b"</rdf:li>"
    b"</rdf:Bag></pdfaExtension:schemas></rdf:Description>"
)


def render(
    html: str,
    *,
    title: str,
    created: datetime,
    author: str = "",
    attachments: Sequence[Attachment] = (),
) -> bytes:
    """Return a page as a PDF file, conforming to PDF/A-3a and PDF/UA-1.

    Args:
        html: a whole page with `<html lang>`, style and drawings inline.
        title: what a reader's window is called.
        created: the date of the document and of its attachments; any zone, whole seconds.
        author: the organisation that issues it.
        attachments: files to embed, in this order; their names differ.

    Raises:
        DocumentError: a character that the fonts cannot draw, no language, an attachment
            whose name or bytes occur twice.
        FetchRefusedError: the page asked for something outside itself.
    """
    if len(html) > MAX_HTML:
        raise DocumentError("page is too long for one file")
    _check_attachments(attachments)
    moment = _moment(created)
    check_drawable(html)
    fetcher = _NoFetcher()
    try:
        document = HTML(string=html, url_fetcher=fetcher).render(
            font_config=FontConfiguration(), pdf_variant=VARIANT, output_intent=COLOURS
        )
        if not document.metadata.lang:
            raise DocumentError("page does not say its language", member="html.lang")
        _describe(document.metadata, title=title, author=author, moment=moment)
        document.color_profiles[COLOURS] = _srgb()
        data: bytes = document.write_pdf(
            pdf_variant=VARIANT,
            output_intent=COLOURS,
            attachments=[_embed(item, moment) for item in attachments],
            finisher=_finish,
        )
    except FatalURLFetchingError as error:
        raise FetchRefusedError("a document asked for something outside itself") from error
    if fetcher.asked:
        raise FetchRefusedError("a document asked for something outside itself")
    return data


class _NoFetcher(URLFetcher):  # type: ignore[misc]
    """Answers no address at all, and remembers that one was asked for.

    WeasyPrint swallows some errors (an image inside a drawing), so the memory decides.
    """

    def __init__(self) -> None:
        super().__init__(allowed_protocols=(), allow_redirects=False)
        self.asked = False

    def fetch(self, url: str, headers: Mapping[str, str] | None = None) -> Any:  # noqa: ARG002
        """Refuse; the address may hold a person's data, so it is not repeated."""
        self.asked = True
        raise FatalURLFetchingError("refused")


def _check_attachments(attachments: Sequence[Attachment]) -> None:
    if len({item.name for item in attachments}) != len(attachments):
        raise DocumentError("two attachments with one name", member="attachments")
    # WeasyPrint keeps one description per content.
    if len({item.content for item in attachments}) != len(attachments):
        raise DocumentError("two attachments with the same bytes", member="attachments")


def _moment(created: datetime) -> datetime:
    if created.tzinfo is None:
        raise DocumentError("time has no zone", member="created")
    return created.astimezone(UTC).replace(microsecond=0)


def _srgb() -> Any:
    """Return the colour space that PDF/A demands; WeasyPrint's own way leaves a file open."""
    profile = resources.files("weasyprint.pdf").joinpath("sRGB2014.icc").read_bytes()
    return ColorProfile(
        io.BytesIO(profile), "sRGB2014.icc", "relative-colorimetric", (["r"], ["g"], ["b"])
    )


def _embed(item: Attachment, moment: datetime) -> Any:
    return _Embedded(
        string=item.content,
        name=item.name,
        description=item.description,
        created=moment,
        modified=moment,
        relationship=str(item.relationship),
    )


def _describe(metadata: Any, *, title: str, author: str, moment: datetime) -> None:
    written = moment.strftime("%Y-%m-%dT%H:%M:%S+00:00")
    metadata.title = title
    metadata.authors = [author] if author else []
    metadata.generator = PRODUCER
    metadata.created = metadata.modified = written
    plain = metadata.generate_rdf_metadata

    def with_pdf_ua(variant: str, version: int, conformance: str) -> bytes:
        rdf: bytes = plain(variant, version, conformance)
        return rdf.replace(b"</rdf:RDF>", _PDF_UA + b"</rdf:RDF>")

    metadata.generate_rdf_metadata = with_pdf_ua


def _finish(_document: Any, pdf: Any) -> None:
    # Metadata that a program finds without unpacking it (ISO 19005-1, 6.7.2 recommends it).
    pdf.objects[int(pdf.catalog["Metadata"].split()[0])].compress = False
    if "AF" in pdf.catalog:
        # WeasyPrint 70 lists each associated file twice.
        pdf.catalog["AF"][:] = list(dict.fromkeys(pdf.catalog["AF"]))
