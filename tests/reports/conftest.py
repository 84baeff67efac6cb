"""One real decision of the demonstration, to be told in any language."""

from pathlib import Path
from typing import Any

import pytest

from examples.demo import applications, training
from explain.narrative import explain_decision

ROOT = Path(__file__).parents[2]
Told = tuple[training.TrainedModel, dict[str, Any], Any]


@pytest.fixture(scope="session")
def told() -> Told:
    """The first declined application that has three reasons and two other ways, as in the demo."""
    data = applications.read()
    trained, policy = training.train(data, ROOT, "now"), training.policy()
    for one in data.held_out:
        row = trained.model.schema.row(one.input)
        (attribution,) = trained.model.attributor.attribute(row[None, :])
        if attribution.margin < training.CUT_OFF:
            explained = explain_decision(
                trained.manifest, policy, one.input, attribution, trained.model
            )
            if len(explained.reasons) > 2 and len(explained.counterfactuals) > 1:
                return trained, one.input, attribution
    raise AssertionError("nobody like that was declined")
