"""What `reports` raises on purpose, named by what the caller does next.

Nothing foreign leaks from the package. A text never quotes a person's value; `member`
names the place.
"""

__all__ = ["DocumentError", "FetchRefusedError", "ReportError"]


class ReportError(Exception):
    """Anything this package raises on purpose.

    Attributes:
        member: the member at fault as a dotted path (`inputs[3].value_text`), or None.
    """

    def __init__(self, message: str, *, member: str | None = None) -> None:
        super().__init__(message)
        self.member = member


class DocumentError(ReportError):
    """A value that no document may carry: correct it, or let a person write the document."""


class FetchRefusedError(ReportError):
    """A document asked for something outside itself: raise the alarm, a template is at fault."""
