"""The page of a model over time with something in every place."""

from service.ui.over_time_views import (
    BinRow,
    Chosen,
    FeatureRow,
    Gauge,
    OverTimePage,
    PeriodRow,
    Range,
    ReasonShare,
    Reliability,
)
from service.ui.views import Fact, Icon, Moment, Tag, Tone

_WITHIN = Tag("Within chance", Tone.PLAIN, Icon.TICK)
_SPAN = Range(330, 470, 400)

OVER_TIME = OverTimePage(
    home="/models",
    href="/models/mortgage-approval@1.0.0",
    model="mortgage-approval 1.0.0",
    digest="3f9a1c77e0b2…",
    command="decision-ledger monitor --model mortgage-approval@1.0.0",
    computed=Moment("14 May 2026, 09:31", "2026-05-14T09:31:07Z"),
    facts=(Fact("Counted here", "1,590"), Fact("Erased", "2")),
    reference="March 2026",
    space="log-odds",
    min_cases="20",
    periods=(
        PeriodRow(
            "April 2026",
            "/models/3f/over-time?period=2026-04",
            chosen=True,
            decided="412",
            approval="40.0 % (33.1 to 47.0)",
            approval_range=_SPAN,
            drift="0.021, by chance up to 0.074",
            drift_gauge=Gauge(210, 740),
            drift_tag=_WITHIN,
        ),
        PeriodRow(
            "March 2026", "/models/3f/over-time?period=2026-03", chosen=False, decided="3",
            approval="", approval_range=None, drift="", drift_gauge=None,
            drift_tag=Tag("Too few"),
        ),
    ),
    chosen=Chosen(
        name="April 2026",
        features=(
            FeatureRow(
                "Loan as a share of the price", "2.433 (2.106 to 2.759)", _SPAN, "412",
                "2.295 (1.948 to 2.642)", "0.021, by chance up to 0.074", _WITHIN,
            ),
        ),
        no_features="Too few.",
        reasons=(ReasonShare("Payments were late", "LATE", "45.0 % (25.8 to 65.8)", _SPAN),),
        no_reasons="Too few.",
        refusals="247 refusals",
    ),
    reliability=Reliability(
        facts=(Fact("Outcome known", "402 of 1,590"), Fact("Brier score", "0.114 (0.101 to 0.127)")),
        rows=(BinRow("40.1 %", "41", "41.5 % (27.8 to 56.6)", _SPAN, 401),),
        why="",
    ),
)  # fmt: skip
