"""The pages about who looked and who got something, as the view functions would make them."""

from service.ui.accesses import AccessesPage, ActorRow, DayRow, FindingRow, OwnPage
from service.ui.disclosures import DisclosureRow, DisclosuresPage, FieldChoice, SectionChoice
from service.ui.views import Choice, Fact, Icon, Moment, Segment, Tag, Tone
from tests.service.ui import receipts

ACTOR = "78f4f7b575dd64e48435af874625bf84"
SPIKE = Tag("Many more than usual", Tone.CAUTION, Icon.HOURGLASS)
ACCESSES = AccessesPage(
    month="May 2026",
    code="2026-05",
    earlier=Fact("", "April 2026", href="/accesses?month=2026-04"),
    later=Fact("", "June 2026", href="/accesses?month=2026-06"),
    own="/accesses/own",
    facts=(Fact("Looks", "218"), Fact("Out of hours", "7")),
    summary="Most were seen on 12 May 2026: 453 records. Lists and exports count each one.",
    findings=(FindingRow("Tue 12 May", SPIKE, "404 records, usually 7", ACTOR, "Case handler"),),
    more_findings="3 findings more in the report.",
    days=(
        DayRow("Wed 13 May", (Segment(0, 128, Tone.FAVOURABLE),), "58", "13", "0", None),
        DayRow("Tue 12 May", (Segment(0, 1000, Tone.CAUTION),), "453", "29", "0", SPIKE),
    ),
    actors=(ActorRow(ACTOR, "Case handler", "Audit", "553", "67", "0", "35", "2", "2"),),
    more_actors="1 pseudonym more in the report.",
    hours=True,
)
OWN = OwnPage(
    "/accesses",
    (Fact("Cleo Case", "2", "75a5256ecf2f5667"),),
    (Choice("75a5256ecf2f5667", "Cleo Case, case handler"),),
    "Not withdrawn: nothing of it is kept.",
)
DISCLOSURES = DisclosuresPage(
    id=receipts.ID,
    short_id="…1330b09d39c6",
    rows=(
        DisclosureRow(
            Moment("14 May 2026, 09:31", "2026-05-14T09:31:07Z"),
            "The Court",
            "Needed for legal claims",
            "Evidence in a case",
            receipts.ID,
        ),
    ),
    sections=(SectionChoice("Input", (FieldChoice("input.late", "late", "2", selected=True),)),),
    grounds=(Choice("legal_claims", "Needed for legal claims", selected=True),),
    recipient="The Court",
    purpose="Evidence",
    records="",
    token="",
    alone="20",
    problem="Not disclosed: another officer has to ask for exactly this first.",
    asked="k-ann.1779871234000000.00ff",
)
