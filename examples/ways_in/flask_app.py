"""A Flask application whose requests are occasions: `python -m examples.ways_in.flask_app`."""

from typing import Any

import flask
import xgboost

from examples.ways_in import clinic
from explain.watched import watched
from ledger.client import Client, WsgiRequests, watch


def about(_: dict[str, Any]) -> dict[str, Any]:
    """Whom a request is about: from its session or body, never from its address."""
    return {"subject": flask.g.sample, "context": {"channel": "web", "decision_role": "advisory"}}


def create_app(model: Any, client: Client) -> flask.Flask:
    app = flask.Flask(__name__)
    WsgiRequests(client, about=about).init_app(app)

    @app.post("/score")
    def score() -> dict[str, Any]:
        body = flask.request.get_json()
        flask.g.sample = body["sample"]
        row = [[body["measured"][name] for name in clinic.MEASURED]]
        chance = float(model.predict_proba(row)[0, 1])
        (ticket,) = flask.request.environ["ledger.occasion"].tickets
        return {"benign": chance, "decision": ticket.id}

    return app


def main() -> None:
    table, benign = clinic.samples()
    classifier = xgboost.XGBClassifier(n_estimators=40, max_depth=3, n_jobs=1)
    classifier.fit(table[1:].to_numpy(), benign[1:])
    files = {"model": ("xgboost-json", bytes(classifier.get_booster().save_raw("json")))}
    version = clinic.register("biopsy-flask", "xgboost-contributions", files)
    client = clinic.client("flask")
    seen = watched(classifier, names=clinic.MEASURED)
    model = watch(seen, client, model=version, policy=clinic.POLICY, outcome=clinic.OUTCOME)

    browser = create_app(model, client).test_client()
    asked = {"sample": "SAMPLE-1", "measured": table.iloc[0].to_dict()}
    for _ in range(2):  # the answer was lost, so it asks again: that is one decision, not two
        answer = browser.post("/score", json=asked, headers={"Idempotency-Key": "8e03978e"})
        print(answer.get_json())
    counters = client.counters()
    print(f"{counters.accepted} decision, {counters.repeated} repeated")
    clinic.prove(client, answer.get_json()["decision"])
    client.close()


if __name__ == "__main__":
    main()
