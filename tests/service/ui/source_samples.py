"""The pages about sources with values, as the view functions would make them."""

from service.ui.source_views import (
    ExplainForm,
    FamilyRow,
    GapRow,
    LaneRow,
    LateRow,
    SourcePage,
    SourcesPage,
    Strip,
    StripPiece,
    TotalRow,
)
from service.ui.views import Choice, Fact, Icon, Moment, Tag, Tone

THEN = Moment("14 May 2026, 09:31", "2026-05-14T09:31:07Z")
MISSING = Tag("12 missing, 2 explained", Tone.CAUTION, Icon.HOURGLASS)
LANE = "loan-desk.k3vq7m2a"
STRIP = Strip(
    (
        StripPiece(0, 400, "whole"),
        StripPiece(400, 300, "open"),
        StripPiece(700, 100, "explained"),
        StripPiece(800, 200, "whole"),
    ),
    "1",
    "1,590",
)
FACTS = (Fact("Received", "1,578 decisions"), Fact("Missing without a reason", "10"))
TOTALS = (
    TotalRow(
        LANE,
        "counters 1 to 1,590",
        "1,590",
        "1,578",
        Tag("Short", Tone.CAUTION, Icon.HOURGLASS),
        "by 12",
        THEN,
    ),
)
SOURCES = SourcesPage(
    FACTS,
    (
        FamilyRow("loan-desk", "/sources/loan-desk", "1,578", "40", MISSING, "3", THEN,
                  "2 hours ago", LANE, STRIP),
        FamilyRow("branch-7", "/sources/branch-7", "0", "1", Tag("None"), "0", None, "", "", None),
    ),
    TOTALS,
)  # fmt: skip
SOURCE = SourcePage(
    name="loan-desk",
    home="/sources",
    facts=FACTS,
    lanes=(
        LaneRow(LANE, "1 to 1,590", MISSING, "0", THEN, STRIP),
        LaneRow("loan-desk.a9d0c7zz", "", Tag("None"), "0", None, None),
    ),
    more_lanes="and 3 lanes more",
    gaps=(
        GapRow(LANE, "600 to 609", "10", Tag("No reason given", Tone.CAUTION), THEN, None),
        GapRow(LANE, "700", "1", Tag("Outage (says the operator)"), THEN, THEN),
    ),
    beyond=(GapRow(LANE, "1,591", "1", Tag("Power cut (says the source)"), None, THEN),),
    next="/sources/loan-desk?cursor=x:1",
    late=(LateRow(LANE, "3 to 4", THEN, THEN, "30 hours", THEN),),
    totals=TOTALS,
    explain=ExplainForm(
        "/sources/loan-desk/explain",
        (Choice(f"{LANE}:600:609", f"{LANE}, 600 to 609"),),
        (Choice("operator_outage", "Outage"),),
        "Not logged: nothing is missing there.",
    ),
)
