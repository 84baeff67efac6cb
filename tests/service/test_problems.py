import pytest
from werkzeug.exceptions import HTTPException, NotFound, ServiceUnavailable

from explain.errors import ModelMismatch
from ledger import errors
from reports.errors import DocumentError
from service.problems import KINDS, Problem, problem_of


@pytest.mark.parametrize(
    ("error", "slug", "status"),
    [
        (errors.MalformedError("x"), "malformed", 400),
        (errors.SignatureError("x"), "unverified", 422),
        (errors.InconsistencyError("x"), "unverified", 422),
        (errors.DuplicateSubmission("x"), "conflict", 409),
        (errors.CheckpointConflict("x"), "conflict", 409),
        (errors.PushbackError("x", retry_after=0.2), "unavailable", 503),
        (errors.ErasedError("x"), "erased", 410),
        (errors.NotFoundError("x"), "not-found", 404),
        (errors.PermissionRefused("x"), "refused", 403),
        (errors.HoldInForce("x"), "hold-in-force", 409),
        (errors.RestrictedError("x"), "restricted", 403),
        (errors.SecondPersonNeeded("x"), "second-person", 403),
        (errors.WrongStage("x"), "wrong-stage", 409),
        (errors.LedgerError("x"), "internal", 500),
        (ModelMismatch("x"), "not-explainable", 422),
        (DocumentError("x"), "not-explainable", 422),
        (NotFound(), "not-found", 404),
        (ServiceUnavailable(), "unavailable", 503),
        (ValueError("secret"), "internal", 500),
        (Problem("erased", "x"), "erased", 410),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_every_error_has_its_place_in_the_table(error: Exception, slug: str, status: int) -> None:
    problem = problem_of(error)
    assert (problem.slug, problem.kind.status) == (slug, status)
    assert "secret" not in problem.detail


def test_a_wait_is_at_least_a_second() -> None:
    assert problem_of(errors.PushbackError("x", retry_after=0.2)).headers == {"Retry-After": "1"}


def test_every_class_of_the_ledger_is_mapped() -> None:
    for name in errors.__all__:
        kind = getattr(errors, name)
        if kind in {errors.LedgerError, errors.PushbackError}:
            continue
        made = kind("x", size=1) if kind is errors.SizeConflict else kind("x")
        assert problem_of(made).slug != "internal", name


def test_an_unknown_status_is_still_ours() -> None:
    class Teapot(HTTPException):
        code = 418
        description = "secret"

    problem = problem_of(Teapot())
    assert problem.slug in KINDS
    assert "secret" not in problem.detail


def test_the_json_form_is_rfc_9457() -> None:
    problem = Problem("invalid", "x" * 600, "input.late", others=(("a", "b"),))
    assert problem.to_json("urn:uuid:1") == {
        "type": "/problems/invalid",
        "title": KINDS["invalid"].title,
        "status": 422,
        "detail": "x" * 500,
        "instance": "urn:uuid:1",
        "member": "input.late",
        "errors": [{"member": "a", "detail": "b"}],
    }
