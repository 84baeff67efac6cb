"""A file that travels inside a document."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from reports.errors import DocumentError
from reports.texts import check_text

__all__ = ["Attachment", "Relationship"]

MAX_ATTACHMENT: Final = 16 * 1024 * 1024  # bytes; a document that is larger is not read by mail
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Relationship(StrEnum):
    """What a file is to the document (ISO 19005-3, annex E)."""

    DATA = "Data"
    SOURCE = "Source"
    SUPPLEMENT = "Supplement"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that travels inside a document; `name` is a plain file name with its suffix."""

    name: str
    description: str
    content: bytes
    relationship: Relationship = Relationship.SOURCE

    def __post_init__(self) -> None:
        """Hold what a reader's file system and mail expect."""
        if not _NAME.fullmatch(self.name):
            raise DocumentError("is not a plain file name", member="name")
        if len(self.content) > MAX_ATTACHMENT:
            raise DocumentError("attachment is too large", member="content")
        check_text(self.description, "description")
