"""Pages with values, as the view functions would make them."""

from service.ui import proof
from service.ui.officer_views import (
    ErasurePage,
    ErasureRow,
    ErasuresPage,
    HoldRow,
    HoldsPage,
)
from service.ui.views import (
    Chip,
    Choice,
    DecisionPage,
    DecisionRow,
    ErasedPage,
    ErrorPage,
    Event,
    Facet,
    Fact,
    Icon,
    InputRow,
    ListPage,
    ModelRow,
    Moment,
    MonthRow,
    Months,
    Notice,
    OverviewPage,
    Segment,
    SignInPage,
    SourceRow,
    SparkBar,
    Tag,
    Tone,
    Viewer,
    Waterfall,
    WaterfallRow,
    WhyPanel,
)
from tests.service.ui import access_samples, over_time_samples, receipts, source_samples

MINUS = "\N{MINUS SIGN}"
APPROVED = Tag("Approved", Tone.FAVOURABLE, Icon.TICK)
DECLINED = Tag("Declined", Tone.ADVERSE, Icon.CROSS)
VIEWER = Viewer("Ines Okafor", "auditor", "Audit")
THEN = Moment("14 May 2026, 09:31", "2026-05-14T09:31:07Z")
ID = receipts.ID

SIGN_IN = SignInPage(
    (Choice("audit", "Audit", selected=True), Choice("complaint", "A person's complaint")), "/"
)

_COUNTS = ((212, 31), (240, 28), (251, 44), (233, 39), (262, 41), (187, 22))


def _months() -> Months:
    rows = []
    for name, (good, bad) in zip(
        ("December 2025", "January 2026", "February 2026", "March 2026", "April 2026", "May 2026"),
        _COUNTS,
        strict=True,
    ):
        rows.append(
            MonthRow(
                name,
                "/decisions",
                (
                    Segment(0, good * 3, Tone.FAVOURABLE),
                    Segment(good * 3, bad * 3, Tone.ADVERSE),
                ),
                (str(good), str(bad)),
                str(good + bad),
            )
        )
    return Months((APPROVED, DECLINED), tuple(rows), "1,590 decisions in six months.")


OVERVIEW = OverviewPage(
    "1,612 entries, every one under a signed checkpoint",
    "This server re-hashed the log when it started. It does not vouch for itself: check it "
    "from outside with the offline verifier.",
    Tone.FAVOURABLE,
    (
        Fact("Entries", "1,612"),
        Fact("Decisions", "1,590"),
        Fact("Last decision", "14 May 2026, 09:31", href="/decisions/x"),
    ),
    (
        Notice(
            "2 predictions never arrived",
            "loan-desk counted 1,592 and sent 1,590. Missing: 17, 342.",
            Tone.CAUTION,
        ),
    ),
    _months(),
    (
        SourceRow(
            "loan-desk",
            "/sources/loan-desk",
            "1,590",
            "40",
            Tag("2 missing", Tone.CAUTION, Icon.HOURGLASS),
            "17, 342",
        ),
        SourceRow("web", "/sources/web", "12", "1", Tag("None", Tone.PLAIN, Icon.TICK), ""),
    ),
    (
        ModelRow(
            name="mortgage-approval 1.0.0",
            page="/models/mortgage-approval@1.0.0",
            digest="3f9a1c77e0b2…",
            status="promoted",
            decisions="1,590",
            href="/decisions",
            last=THEN,
        ),
    ),
)
EMPTY_OVERVIEW = OverviewPage(
    "An empty ledger", "Nothing has been recorded yet.", Tone.PLAIN, (), (), None, (), ()
)

_REASONS = (
    "Loan-to-value ratio \N{MINUS SIGN}28.4, bankruptcy on file \N{MINUS SIGN}12.0",
    "Debt-to-income ratio \N{MINUS SIGN}14.1, housing expense ratio \N{MINUS SIGN}3.2",
    "Credit history +9.9, unverifiable information \N{MINUS SIGN}3.0",
)


def _rows() -> tuple[DecisionRow, ...]:
    rows = []
    for n in range(25):
        bad = n % 4 == 1
        spark = tuple(
            SparkBar(
                1 + 9 * i,
                9 if (i + n) % 3 else 9 - (8 - i),
                8 - i,
                Tone.ADVERSE if (i + n) % 3 else Tone.FAVOURABLE,
            )
            for i in range(8)
        )
        rows.append(
            DecisionRow(
                f"/decisions/{n}",
                ID,
                f"…8a51c0f3{n:04x}",
                THEN,
                "mortgage-approval 1.0.0",
                DECLINED if bad else APPROVED,
                str(586 + n),
                f"{MINUS}{14 + n}" if bad else f"+{n}",
                spark,
                _REASONS[n % 3],
            )
        )
    return tuple(rows)


LIST = ListPage(
    "1,590 decisions",
    _rows(),
    "2026-05-01",
    "2026-05-14",
    (
        Facet("Approved", "1,385", "/decisions?outcome=approved", current=False),
        Facet("Declined", "205", "/decisions", current=True),
    ),
    (Facet("mortgage-approval 1.0.0", "1,590", "/decisions", current=False),),
    (Chip("1 May 2026 to 14 May 2026", "/decisions"), Chip("Declined", "/decisions")),
    "/decisions",
    "/decisions?newer",
    "/decisions?older",
    "/decisions.csv",
    "/decisions.json",
    "",
    "1 to 25 of 1,590",
)
EMPTY_LIST = ListPage(
    "0 decisions",
    (),
    "",
    "",
    (),
    (),
    (),
    "",
    "",
    "",
    "",
    "",
    "No decision has been recorded yet.",
    "",
)

PROVED = receipts.proved()
PROOF = proof.panel(
    PROVED.receipt,
    PROVED.keys,
    record_id=ID,
    href=f"/decisions/{ID}/receipt",
    openings=PROVED.openings,
)

_STEPS = (
    ("Loan-to-value ratio", "92.5 %", -28.4),
    ("Bankruptcy on file", "yes", -12.0),
    ("Debt-to-income ratio", "41.0 %", -9.8),
    ("Unverifiable information in the application", "no", -1.1),
    ("Number of dependants", "2", -0.4),
    ("Consumer credit history", "1 of 6", 12.3),
    ("Years in current employment", "7", 4.0),
    ("Net worth", "not stated", 0.9),
)


def _waterfall() -> Waterfall:
    rows, at = [], 860.0
    for label, value, points in _STEPS:
        end = at + points * 14
        rows.append(
            WaterfallRow(
                label,
                value,
                f"{points:+.1f}".replace("-", MINUS),
                round(min(at, end)),
                max(2, round(abs(end - at))),
                points > 0,
            )
        )
        at = end
    return Waterfall(
        "All applicants of the training period, on average",
        "621",
        860,
        "This application",
        "586",
        round(at),
        "limit, 600 points",
        566,
        tuple(rows),
        "How each fact moved the score, in points",
    )


DECISION = DecisionPage(
    ID,
    "…8a51c0f361f2",
    "Declined: 14 points below the limit",
    "Decided 14 May 2026, 09:31:07 by mortgage-approval 1.0.0, without a person.",
    DECLINED,
    (
        Fact("Score", "586 points"),
        Fact("Limit", "600 points"),
        Fact("Average applicant", "621 points"),
        Fact("Model", "mortgage-approval 1.0.0"),
    ),
    WhyPanel(
        "Issued 14 May 2026, 10:02.",
        "The application scored 586 points; 600 were needed.",
        (
            "The loan is 92.5 % of the value of the property; a bankruptcy is on file.",
            "A consumer credit history without late payments was not enough.",
        ),
        _waterfall(),
        ("With a loan of 80 % of the value, the score would have been 607 points: approved.",),
        "These are results of the same model and limit on changed values, not promises.",
        ("The figures describe the model, not the person.", "Correlated facts share credit."),
        (
            Tag("Adds up to the score", Tone.PLAIN, Icon.TICK),
            Tag("Reproduced by the model", Tone.PLAIN, Icon.TICK),
        ),
    ),
    "",
    tuple(InputRow(label, value, "application form") for label, value, _ in _STEPS),
    (
        Event("Decision recorded", THEN, "Entry 1,213, from loan-desk, its number 1,214."),
        Event("Explanation issued", THEN, "Entry 1,240. Sealed, with a commitment.", latest=True),
    ),
    (
        Fact("Model", "mortgage-approval 1.0.0, gradient-boosted trees", code="3f9a1c77e0b2…"),
        Fact("Explainer", "leaf-tables, interventional", code="xgboost 3.2.0"),
        Fact("Background", "all 900 applicants of the training period", code="90ab17f4…"),
        Fact("Policy", "mortgage-cutoff 1.0.0", code="77a04c66e870…"),
    ),
    PROOF,
    f"/decisions/{ID}/letter.pdf",
)
ERASED = ErasedPage(
    ID,
    "…8a51c0f361f2",
    "The payload of this decision was erased on 3 June 2026.",
    (Event("Decision recorded", THEN, "Entry 1,213."), Event("Erased", THEN, "", latest=True)),
    PROOF,
)
ERROR = ErrorPage(
    404, "There is nothing here", "No record has this id.", "Check the id, or search for it."
)
WAITS = Tag("Waits for a second person", Tone.CAUTION, Icon.HOURGLASS)
ERASURES = ErasuresPage(
    (ErasureRow(f"/erasures/{ID}", "…8a51c0f361f2", THEN, WAITS, "A person", "Objection", "3"),),
    (Choice("objection", "The person objects"),),
)
ERASURE = ErasurePage(
    ID,
    "…8a51c0f361f2",
    WAITS,
    "Nothing is erased yet.",
    (Fact("Ground", "The person objects"),),
    (Fact(ID, "", ID),),
    f"/erasures/{ID}/approve",
    "",
    f"/erasures/{ID}/refuse",
    (Choice("withdrawn", "The person withdrew the request"),),
    "",
)
HOLDS = HoldsPage(
    (
        HoldRow(
            ID,
            "…8a51c0f361f2",
            Tag("In force", Tone.CAUTION, Icon.TICK),
            THEN,
            "2 decisions",
            "Other v Bank",
            "Defence of a claim",
            "Legal",
            f"/holds/{ID}/release",
            "Release",
            "Its release was asked for.",
        ),
    ),
    may_set=True,
    earliest="2026-05-15",
    latest="2027-05-15",
)
PAGES = {
    "erasures": ERASURES,
    "erasure": ERASURE,
    "holds": HOLDS,
    "sign_in": SIGN_IN,
    "overview": OVERVIEW,
    "decisions": LIST,
    "decision": DECISION,
    "erased": ERASED,
    "error": ERROR,
    "sources": source_samples.SOURCES,
    "source": source_samples.SOURCE,
    "over_time": over_time_samples.OVER_TIME,
    "accesses": access_samples.ACCESSES,
    "own_references": access_samples.OWN,
    "disclosures": access_samples.DISCLOSURES,
}
