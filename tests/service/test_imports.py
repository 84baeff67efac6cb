import subprocess
import sys

import pytest

HEAVY = ("shap", "weasyprint", "xgboost", "sklearn", "pandas", "matplotlib")


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("service.assembly", HEAVY),
        ("service.wsgi", HEAVY),
        ("service.cli", (*HEAVY, "numpy", "flask", "sqlalchemy", "marshmallow")),
        ("service.settings", (*HEAVY, "flask", "click")),
    ],
)
def test_a_door_opens_without_the_heavy_libraries(module: str, absent: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert set(absent) & set(loaded.stdout.split()) == set()
