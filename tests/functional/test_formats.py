"""Every format, as the example writes it: registered, opened in its own process, and asked."""

from collections.abc import Iterator

import numpy as np
import pytest

from examples.formats import __main__ as example
from examples.formats.manifest import GOLDEN, manifest_of
from explain.errors import ModelUnsupported
from explain.model_files import FORMATS
from service.founding import found
from service.opened_models import opened_models
from service.registering import register_model
from service.runtime import Runtime
from service.settings import Settings


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    settings = Settings(data=tmp_path_factory.mktemp("formats"), origin="ledger.example/formats")
    found(settings)
    opened = Runtime.open(settings)
    yield opened
    opened.close()


def test_the_example_has_every_format() -> None:
    assert example.MODELS.keys() == FORMATS.keys()


@pytest.mark.filterwarnings("ignore")  # of the training, by libraries that are not ours
@pytest.mark.parametrize("name", example.MODELS)
def test_it_is_registered_opened_and_asked(runtime: Runtime, name: str) -> None:
    make, space, engine = example.MODELS[name]
    manifest, files = manifest_of(make(), name, space, engine)
    assert len(manifest["golden_rows"]) == GOLDEN
    version = register_model(runtime.registry, manifest, files)
    model = runtime.explaining.opened(version)
    assert model.predictor.space == space
    margins = model.predictor.margin(model.background)
    assert np.isfinite(margins).all()
    # It learned something: those who repaid score higher.
    good = example.GOOD.astype(bool)
    assert margins[good].mean() > margins[~good].mean()
    told = model.attributor.attribute(model.background[:5])
    assert [one.margin for one in told] == np.rint(margins[:5] * 1e6).tolist()
    assert {(one.engine, one.space) for one in told} == {(engine, space)}
    average = margins.mean()
    if "contributions" not in engine:  # it compares with the group
        assert told[0].base == pytest.approx(average * 1e6, abs=20)
    opened_models().forget(version.digest)


def test_a_model_for_scoring_only_is_not_taken_apart(runtime: Runtime) -> None:
    manifest, files = manifest_of(example.linear(), "linear-json")
    manifest["version"] = "1.0.1"
    model = runtime.explaining.opened(register_model(runtime.registry, manifest, files))
    with pytest.raises(ModelUnsupported, match="scoring only"):
        model.attributor.attribute(model.background[:1])
