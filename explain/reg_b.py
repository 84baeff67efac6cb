"""The reasons that Regulation B prints, as a catalogue of codes that a policy may use.

Source: Form C-1 of Appendix C to Regulation B (12 CFR Part 1002), Part I, "Principal
reason(s) for credit denial, termination, or other action taken concerning credit", word for
word and in its order. The form's last line, "Other, specify", is no reason and has no code.
The forms are samples: reasons that are not on them are to be added (Appendix C, paragraph 3),
and checking the closest line does not do where it is not the factor that was used (paragraph
4, and official interpretation 9(b)(2)-2).
"""

from typing import Final

__all__ = ["CATALOGUE", "FORM_C1"]

CATALOGUE: Final = "reg-b-c1"
"""How a policy's manifest asks for these codes: `standard_reasons`."""

FORM_C1: Final = tuple(
    (f"C1-{at:02}", text)
    for at, text in enumerate(
        (
            "Credit application incomplete",
            "Insufficient number of credit references provided",
            "Unacceptable type of credit references provided",
            "Unable to verify credit references",
            "Temporary or irregular employment",
            "Unable to verify employment",
            "Length of employment",
            "Income insufficient for amount of credit requested",
            "Excessive obligations in relation to income",
            "Unable to verify income",
            "Length of residence",
            "Temporary residence",
            "Unable to verify residence",
            "No credit file",
            "Limited credit experience",
            "Poor credit performance with us",
            "Delinquent past or present credit obligations with others",
            "Collection action or judgment",
            "Garnishment or attachment",
            "Foreclosure or repossession",
            "Bankruptcy",
            "Number of recent inquiries on credit bureau report",
            "Value or type of collateral not sufficient",
        ),
        start=1,
    )
)
"""Code and wording; `C1-01` is the form's first line."""
