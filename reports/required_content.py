"""What laws ask such a letter to contain, and in which part of this letter it stands.

A checklist, for whoever answers for the letter. It is prepared to support that work and finds
out where something is; whether what stands there suffices is a question for lawyers. Articles
are cited as they stood in November 2026; the words are short for the law's own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from reports.documents.letter import DecidedBy, Regime, SubjectLetter

__all__ = ["Law", "Part", "Prepared", "prepared"]


class Law(StrEnum):
    """A rule with contents of its own."""

    AI_ACT_86 = "ai_act_86"  # Regulation (EU) 2024/1689
    CCD2_18 = "ccd2_18"  # Directive (EU) 2023/2225
    DSA_17 = "dsa_17"  # Regulation (EU) 2022/2065
    FCRA_615 = "fcra_615"  # 15 USC 1681m(a)
    GDPR_15 = "gdpr_15"  # Regulation (EU) 2016/679, with Art. 22(3)
    REG_B_9 = "reg_b_9"  # 12 CFR 1002.9


class Part(StrEnum):
    """A part of the letter: the `id` that it has in the page."""

    CHANGED = "changed"
    CONTACTS = "contacts"
    DATA = "data"
    HOW = "how"
    INPUTS = "inputs"
    LIMITS = "limits"
    METHOD = "method"
    NOTICES = "notices"
    REASONS = "reasons"
    RIGHTS = "rights"
    SENDER = "sender"
    SUMMARY = "summary"


@dataclass(frozen=True, slots=True)
class Prepared:
    """One content that a law asks for, and the parts of the letter that it is in.

    `missing` says what the operator adds, where nothing or not everything is there.
    """

    article: str
    content: str
    parts: tuple[Part, ...]
    missing: str = ""

    @property
    def present(self) -> bool:
        """Whether the letter has a part for it."""
        return bool(self.parts)


_When = Callable[[SubjectLetter], bool]
_Row = tuple[str, str, tuple[Part, ...], _When, str]


def _always(_letter: SubjectLetter) -> bool:
    return True


def _never(_letter: SubjectLetter) -> bool:
    return False


def _under(regime: Regime) -> _When:
    return lambda letter: regime in letter.regimes


def _adverse(letter: SubjectLetter) -> bool:
    return letter.decision.adverse


def _reasons(letter: SubjectLetter) -> bool:
    return bool(letter.explanation.reasons if _adverse(letter) else letter.explanation.helped)


def _contest(letter: SubjectLetter) -> bool:
    # Art. 22 is about decisions that rest on automated processing alone, or draw on it strongly.
    return Regime.GDPR in letter.regimes and letter.decision.decided_by is not DecidedBy.ADVISORY


def _refusal(letter: SubjectLetter) -> bool:
    return Regime.CCD2 in letter.regimes and _adverse(letter)


def _notice(letter: SubjectLetter) -> bool:
    return Regime.ECOA in letter.regimes and _adverse(letter)


def _report(letter: SubjectLetter) -> bool:
    return _notice(letter) and letter.contacts.consumer_report is not None


_EFFECTS: Final = "what follows for the person beyond the outcome itself"
_OTHER_RIGHTS: Final = "also restriction and objection (Art. 18, 21)"
_WEIGHED: Final = "what a person weighed beside the score, where one decided"
_ON_NOTICE: Final = (
    "whether it followed a notice (Art. 16) or an investigation of the provider's own"
)
_DETECTED: Final = "whether the content was detected by automated means"
_BESIDES: Final = frozenset((_EFFECTS, _OTHER_RIGHTS, _WEIGHED, _ON_NOTICE, _DETECTED))
_OF_DSA: Final = "a letter about a restriction of content needs it; this one does not have it"

_TABLE: Final[Mapping[Law, tuple[_Row, ...]]] = {
    Law.GDPR_15: (
        ("GDPR Art. 15(1)(h)", "that there is automated decision-making", (Part.HOW,), _always, ""),
        ("GDPR Art. 15(1)(h)", "meaningful information about the logic involved",
         (Part.HOW, Part.REASONS, Part.INPUTS, Part.METHOD), _reasons, ""),
        ("GDPR Art. 15(1)(h)", "the significance and the envisaged consequences",
         (Part.SUMMARY,), _always, _EFFECTS),
        ("GDPR Art. 15(1)(h), C-203/22 para. 62", "how far other data would have led elsewhere",
         (Part.CHANGED,), lambda letter: bool(letter.explanation.counterfactual_note), ""),
        ("GDPR Art. 15(1)(c)", "recipients", (Part.METHOD,),
         lambda letter: bool(letter.recipients), "the recipients"),
        ("GDPR Art. 15(1)(d)", "how long the data is kept", (Part.METHOD,),
         lambda letter: bool(letter.retention), "the period, or how it is determined"),
        ("GDPR Art. 15(1)(e)", "the right to rectification and erasure", (Part.RIGHTS,),
         _under(Regime.GDPR), _OTHER_RIGHTS),
        ("GDPR Art. 15(1)(f)", "the right to complain", (Part.RIGHTS, Part.CONTACTS),
         _under(Regime.GDPR), ""),
        ("GDPR Art. 15(1)(g)", "where the data is from", (Part.INPUTS,),
         lambda letter: all(item.source for item in letter.inputs), "the source of each item"),
        ("GDPR Art. 22(3)", "a person who may intervene, the own view, contesting",
         (Part.RIGHTS, Part.CONTACTS), _contest, ""),
    ),
    Law.AI_ACT_86: (
        ("Regulation (EU) 2024/1689 Art. 86(1)", "an explanation from the deployer",
         (Part.SENDER,), _always, ""),
        ("Regulation (EU) 2024/1689 Art. 86(1)", "the role of the system in the procedure",
         (Part.HOW,), _always, ""),
        ("Regulation (EU) 2024/1689 Art. 86(1)", "the main elements of the decision",
         (Part.SUMMARY, Part.REASONS, Part.INPUTS), _reasons,
         _WEIGHED),
    ),
    Law.CCD2_18: (
        ("Directive (EU) 2023/2225 Art. 18(8)(a)", "an explanation of the assessment and its logic",
         (Part.HOW, Part.REASONS, Part.METHOD), _reasons, ""),
        ("Directive (EU) 2023/2225 Art. 18(8)(a)", "the risks of the automated processing",
         (), _never, "the risks, by the person who deals with the case"),
        ("Directive (EU) 2023/2225 Art. 18(8)(a)", "its significance and effects on the decision",
         (Part.SUMMARY, Part.HOW), _always, ""),
        ("Directive (EU) 2023/2225 Art. 18(8)(b)", "expressing the own view", (Part.RIGHTS,),
         _under(Regime.CCD2), ""),
        ("Directive (EU) 2023/2225 Art. 18(8)(c)", "asking for a review", (Part.RIGHTS,),
         _under(Regime.CCD2), ""),
        ("Directive (EU) 2023/2225 Art. 18(9)", "that the application is refused",
         (Part.SUMMARY,), _adverse, ""),
        ("Directive (EU) 2023/2225 Art. 18(9)", "that the assessment was automated",
         (Part.RIGHTS,), _refusal, ""),
        ("Directive (EU) 2023/2225 Art. 18(9)", "the right to human assessment, how to contest",
         (Part.RIGHTS, Part.CONTACTS), _refusal, ""),
    ),
    Law.REG_B_9: (
        ("12 CFR 1002.9(a)(2)", "a statement of the action taken",
         (Part.SUMMARY, Part.NOTICES), _notice, ""),
        ("12 CFR 1002.9(a)(2)", "name and address of the creditor",
         (Part.SENDER, Part.NOTICES), _notice, ""),
        ("12 CFR 1002.9(a)(2), (b)(1)", "the provisions of section 701(a) of the Act",
         (Part.NOTICES,), _notice, ""),
        ("12 CFR 1002.9(a)(2)", "name and address of the Federal agency",
         (Part.NOTICES, Part.CONTACTS), _notice, ""),
        ("12 CFR 1002.9(a)(2)(i), (b)(2)", "the specific, principal reasons",
         (Part.REASONS,), lambda letter: _notice(letter) and _reasons(letter), ""),
    ),
    Law.FCRA_615: (
        ("15 USC 1681m(a)(2)", "the credit score used, its range, date and key factors",
         (), _never, "all of it, if a credit score was used"),
        ("15 USC 1681m(a)(3)(A)", "name, address and telephone number of the agency",
         (Part.NOTICES,), _report, "it, if a consumer report was used"),
        ("15 USC 1681m(a)(3)(B)", "that the agency did not decide and cannot say why",
         (Part.NOTICES,), _report, "it, if a consumer report was used"),
        ("15 USC 1681m(a)(4)(A)", "a free copy within 60 days", (Part.NOTICES,), _report,
         "it, if a consumer report was used"),
        ("15 USC 1681m(a)(4)(B)", "disputing accuracy or completeness", (Part.NOTICES,), _report,
         "it, if a consumer report was used"),
    ),
    Law.DSA_17: (
        ("Regulation (EU) 2022/2065 Art. 17(3)(a)", "the restriction, its territory and duration",
         (), _never, _OF_DSA),
        ("Regulation (EU) 2022/2065 Art. 17(3)(b)", "the facts and circumstances relied on",
         (Part.REASONS, Part.INPUTS), _reasons,
         _ON_NOTICE),
        ("Regulation (EU) 2022/2065 Art. 17(3)(c)", "the use of automated means",
         (Part.HOW,), _always, _DETECTED),
        ("Regulation (EU) 2022/2065 Art. 17(3)(d)", "the legal ground, for illegal content",
         (), _never, _OF_DSA),
        ("Regulation (EU) 2022/2065 Art. 17(3)(e)", "the contractual ground, for other content",
         (), _never, _OF_DSA),
        ("Regulation (EU) 2022/2065 Art. 17(3)(f)", "redress: complaint, settlement, court",
         (), _never, _OF_DSA),
    ),
}  # fmt: skip


def prepared(letter: SubjectLetter, law: Law) -> tuple[Prepared, ...]:
    """Return every content that the law asks for, with the parts of the letter that have it."""
    found = []
    for article, content, parts, there, missing in _TABLE[law]:
        present = bool(parts) and there(letter)
        lacks = missing if not present or missing in _BESIDES else ""
        found.append(Prepared(article, content, parts if present else (), lacks))
    return tuple(found)
