"""The addresses of the audit UI. Each view asks one use-case and fills one page.

Every page but the sign-in needs a session; every form carries a token of that session.
References to people travel in forms only.
"""

from typing import Final

from flask import Blueprint, Response, g, redirect, request, url_for
from flask.blueprints import BlueprintSetupState
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.exceptions import BadRequest, NotFound
from werkzeug.wrappers import Response as AnyResponse

from ledger.entries.identifiers import UUID7_PATTERN
from ledger.errors import ErasedError, MalformedError, NotFoundError, RefusedError
from ledger.operate.access_log import Manner
from ledger.operate.completeness import operator_reason
from ledger.roles import Permission
from service.api.routes import runtime
from service.explaining import NotIssued
from service.problems import Problem
from service.reading import Reading
from service.settings import LANGUAGES
from service.ui import (
    accesses,
    corrections,
    dictionary_page,
    disclosures,
    exports,
    models,
    officers,
    policies,
    rendering,
    session,
    subjects,
    troubles,
)
from service.ui.decision_list import DecisionList
from service.ui.decision_page import Shown
from service.ui.filters import Filter
from service.ui.overview import overview as overview_of
from service.ui.proof import file_name
from service.ui.session import PURPOSES, Visit
from service.ui.source_pages import parse_choice, source_page, sources_page
from service.ui.views import Choice, SignInPage

__all__ = ["blueprint"]

MAX_TARGET_CHARS: Final = 2_000  # of the address to return to after signing in
OPEN: Final = frozenset({"ui.sign_in", "ui.static"})
FILES: Final = {"csv": "text/csv; charset=utf-8", "json": "application/json"}

blueprint = Blueprint(
    "ui", __name__, static_folder="static", static_url_path="/assets", template_folder="templates"
)
_csrf = CSRFProtect()


@blueprint.record
def _set_up(state: BlueprintSetupState) -> None:
    app = state.app
    # The interfaces authenticate by header and need no token; our forms are checked below.
    app.config.update(WTF_CSRF_CHECK_DEFAULT=False, WTF_CSRF_TIME_LIMIT=None)
    _csrf.init_app(app)
    # An unknown address belongs to no blueprint: a browser still gets a page for it.
    app.register_error_handler(404, _unknown)


@blueprint.before_request
def _admit() -> AnyResponse | None:
    g.visit = session.current(runtime().api_keys, runtime().clock())
    if request.method == "POST":
        _csrf.protect()
    if g.visit is None and request.endpoint not in OPEN:
        if not troubles.prefers_pages():
            raise Problem("unauthenticated", "Sign in, or use the interface under /v1.")
        wanted = request.full_path.rstrip("?") if request.method == "GET" else "/"
        target = f"{request.script_root}{wanted}" if wanted != "/" else None
        return redirect(url_for("ui.sign_in", to=target), 303)
    return None


officers.add_to(blueprint)
subjects.add_to(blueprint)
corrections.add_to(blueprint)
accesses.add_to(blueprint)
disclosures.add_to(blueprint)
models.add_to(blueprint)
dictionary_page.add_to(blueprint)
policies.add_to(blueprint)
blueprint.after_request(rendering.guard)
blueprint.register_error_handler(Exception, troubles.answer)


def _unknown(error: NotFound) -> Response:
    g.visit = session.current(runtime().api_keys, runtime().clock())
    return troubles.answer(error)


@blueprint.errorhandler(CSRFError)
def _expired_form(error: BadRequest) -> AnyResponse:
    """A form of an earlier session: sign in again and repeat it."""
    if not troubles.prefers_pages():
        return troubles.answer(error)
    problem = "This form belonged to a session that has ended. Please try again."
    return _sign_in_page(problem, status=400)


@blueprint.route("/sign-in", methods=["GET", "POST"])
def sign_in() -> AnyResponse:
    """The sign-in form, or on to where the visitor was going."""
    if request.method == "POST":
        return _begin(_target(request.form.get("target", "")))
    target = _target(request.args.get("to", ""))
    return redirect(target, 303) if g.visit else _sign_in_page(target=target)


def _begin(target: str) -> AnyResponse:
    key, case = (request.form.get(name, "").strip() for name in ("key", "case"))
    purpose = request.form.get("purpose", "")
    try:
        session.begin(runtime().api_keys, key, purpose, case, runtime().clock())
    except RefusedError as error:
        return _sign_in_page(f"Not signed in: {error}.", target=target, status=403)
    return redirect(target, 303)


@blueprint.post("/sign-out")
def sign_out() -> AnyResponse:
    """End the session."""
    session.end()
    return redirect(url_for("ui.sign_in"), 303)


@blueprint.get("/")
def overview() -> Response:
    """The state of the ledger."""
    _visit().caller.principal.require(Permission.MODELS_READ)
    here = url_for("ui.decisions")
    value = overview_of(
        runtime(),
        lambda wanted: wanted.address(here),
        lambda name: url_for("ui.source", name=name),
        lambda reference: url_for("ui.model", reference=reference),
    )
    return rendering.page("overview", value, here="overview")


@blueprint.get("/sources")
def sources() -> Response:
    """Every source of decisions, and what is missing of it."""
    _visit().caller.principal.require(Permission.MODELS_READ)
    value = sources_page(runtime(), lambda name: url_for("ui.source", name=name))
    return rendering.page("sources", value, here="sources")


@blueprint.get("/sources/<name>")
def source(name: str) -> Response:
    """One source with all its lanes."""
    return _source(name)


@blueprint.post("/sources/<name>/explain")
def explain_gap(name: str) -> AnyResponse:
    """Log why counters are missing, as the operator's word."""
    _visit().caller.principal.require(Permission.SOURCES_STATE)
    try:
        chosen = parse_choice(request.form.get("gap", ""))
        reason = operator_reason(request.form.get("reason", ""))
        runtime().completeness.explain(*chosen, reason)
    except (MalformedError, NotFoundError) as error:
        return _source(name, problem=f"Not logged: {error}.", status=422)
    return redirect(url_for("ui.source", name=name), 303)


@blueprint.get("/decisions")
def decisions() -> Response:
    """Decisions, newest first, narrowed by the filters of the address."""
    return _list(Filter.read(request.args), request.args.get("trail", ""))


@blueprint.get("/decisions.csv")
def decisions_csv() -> Response:
    """The same list as CSV."""
    return _export(Filter.read(request.args), "csv")


@blueprint.get("/decisions.json")
def decisions_json() -> Response:
    """The same list as JSON."""
    return _export(Filter.read(request.args), "json")


@blueprint.post("/decisions/find")
def find() -> AnyResponse:
    """A decision by its id, or the decisions about a person."""
    wanted = request.form.get("q", "").strip()
    if not wanted:
        return redirect(url_for("ui.decisions"), 303)
    if UUID7_PATTERN.fullmatch(wanted.lower()):
        return redirect(url_for("ui.decision", decision_id=wanted.lower()), 303)
    read = Filter.read(request.form, subject=wanted)
    kind = request.form.get("format", "")
    if kind:
        return _export(read, kind)
    return _list(read, "")


@blueprint.get("/decisions/<decision_id>")
def decision(decision_id: str) -> Response:
    """One decision: why, proof, history; or what is left of it."""
    shown = _shown(decision_id)
    try:
        return rendering.page(
            "decision", shown.decision(decision_id), here="decisions", exact=False
        )
    except ErasedError:
        value = shown.erased(decision_id)
        return rendering.page("erased", value, here="decisions", exact=False, status=410)


@blueprint.post("/decisions/<decision_id>/explanation")
def issue(decision_id: str) -> AnyResponse:
    """Issue the explanation: from now on it is what the person is told."""
    caller = _visit().caller
    caller.principal.require(Permission.EXPLANATIONS_ISSUE)
    Reading(runtime(), caller).note([decision_id], ("explanation",))
    language = request.form.get("language", "") or runtime().settings.language
    if language not in LANGUAGES:
        raise Problem("invalid", f"There is: {', '.join(LANGUAGES)}.", member="language")
    runtime().explaining.issue_in(decision_id, language)
    return redirect(url_for("ui.decision", decision_id=decision_id), 303)


@blueprint.get("/decisions/<decision_id>/receipt")
def receipt(decision_id: str) -> Response:
    """The receipt as a file: a C2SP tlog-proof, which holds no personal data."""
    _visit().caller.principal.require(Permission.DECISIONS_READ)
    Reading(runtime(), _visit().caller).note([decision_id], ("proof",), manner=Manner.EXPORT)
    text = runtime().logs["decisions"].receipt(decision_id).format()
    return _file(text, "text/plain; charset=utf-8", file_name(decision_id))


@blueprint.get("/decisions/<decision_id>/letter.pdf")
def letter(decision_id: str) -> Response:
    """The letter to the person, as it was issued; in another language if it was in that too."""
    caller = _visit().caller
    caller.principal.require(Permission.DECISIONS_READ)
    fields = ("attributions", "context", "explanation", "input", "output")  # with its attachments
    Reading(runtime(), caller).note([decision_id], fields, manner=Manner.PRINT)
    try:
        issued = runtime().explaining.issued(decision_id, request.args.get("language", ""))
    except NotIssued as error:
        raise Problem("not-issued", "None has been issued.") from error
    if not runtime().settings.contacts_path.is_file():
        raise Problem("not-issued", "The operator has not said who sends letters.")
    issued.explanation.check_automatic()
    body = runtime().reporting.letter_pdf(decision_id, issued)
    return _file(body, "application/pdf", f"explanation-{decision_id}.pdf", how="inline")


def _list(wanted: Filter, trail: str) -> Response:
    value = DecisionList(runtime(), _visit().caller).page(
        wanted,
        trail,
        lambda name: url_for(f"ui.{name}"),
        lambda decision_id: url_for("ui.decision", decision_id=decision_id),
    )
    exact = not wanted.narrows and not wanted.cursor
    return rendering.page("decisions", value, here="decisions", exact=exact)


def _export(wanted: Filter, kind: str) -> Response:
    if kind not in FILES:
        raise MalformedError("csv or json", member="format")
    rows, total = DecisionList(runtime(), _visit().caller).export(wanted)
    text = exports.as_csv(rows) if kind == "csv" else exports.as_json(rows, total)
    return _file(text, FILES[kind], f"decisions.{kind}")


def _source(name: str, *, problem: str = "", status: int = 200) -> Response:
    principal = _visit().caller.principal
    principal.require(Permission.MODELS_READ)
    value = source_page(
        runtime(), name, principal,
        cursor=request.args.get("cursor", ""), home=url_for("ui.sources"),
        action=url_for("ui.explain_gap", name=name), here=url_for("ui.source", name=name),
        problem=problem,
    )  # fmt: skip
    return rendering.page("source", value, here="sources", exact=False, status=status)


def _shown(decision_id: str) -> Shown:
    return Shown(
        runtime(),
        _visit().caller,
        receipt=url_for("ui.receipt", decision_id=decision_id),
        letter=url_for("ui.letter", decision_id=decision_id),
        issue=url_for("ui.issue", decision_id=decision_id),
    )


def _sign_in_page(problem: str = "", *, target: str = "/", status: int = 200) -> Response:
    purposes = tuple(Choice(code, label) for code, label in PURPOSES.items())
    value = SignInPage(purposes, target, case=request.form.get("case", "")[:64], problem=problem)
    return rendering.page("sign_in", value, status=status)


def _file(body: str | bytes, media_type: str, name: str, how: str = "attachment") -> Response:
    response = Response(body, content_type=media_type)
    response.headers["Content-Disposition"] = f'{how}; filename="{name}"'
    return response


def _target(wanted: str) -> str:
    """An address of our own to go on to; anything else leads to the overview."""
    mount = request.script_root
    below = wanted.removeprefix(mount)
    own = wanted.startswith(f"{mount}/") and not below.startswith(("//", "/\\", "/sign-"))
    plain = own and wanted.isprintable() and len(wanted) <= MAX_TARGET_CHARS
    return wanted if plain else url_for("ui.overview")


def _visit() -> Visit:
    found = g.visit
    if not isinstance(found, Visit):
        raise TypeError("no session was asked for")
    return found
