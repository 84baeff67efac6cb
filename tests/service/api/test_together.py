"""Many callers at once: every decision lands once, every explanation is issued once."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ledger.roles import Role


def test_simultaneous_decisions_all_land_once(door: Any) -> None:
    bodies = [door.decision() for _ in range(12)]

    def post(body: dict[str, Any]) -> int:
        header = {"Authorization": f"Bearer {door.lender.keys[Role.SOURCE]}"}
        client = door.client.application.test_client()
        return int(client.post("/v1/decisions", json=body, headers=header).status_code)

    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(post, [*bodies, *bodies]))
    assert sorted(statuses) == [200] * 12 + [201] * 12
    indices = {door.lender.runtime.decisions.read(body["id"]).seq for body in bodies}
    assert len(indices) == 12


def test_simultaneous_first_readers_get_one_explanation(door: Any) -> None:
    body = door.decision()
    door.ask(Role.SOURCE, "POST", "/v1/decisions", body)

    def read(_: int) -> str:
        header = {"Authorization": f"Bearer {door.lender.keys[Role.CASE_HANDLER]}"}
        client = door.client.application.test_client()
        got = client.get(f"/v1/decisions/{body['id']}/explanation", headers=header)
        return str(got.get_json()["entry"])

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(read, range(4)))) == 1
