"""A stand-in for HashiCorp Vault's transit engine, on a port of this machine.

It answers what `hvac` asks of the real one: the versions of a key, signatures, ciphertexts. It can
also be slow, refuse, sign wrongly, or answer nonsense.
"""

import base64
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TOKEN = "hvs.a-token"
Private = Ed25519PrivateKey | MLDSA44PrivateKey


class Transit(ThreadingHTTPServer):
    """Keys by name, each with its versions from 1 on."""

    daemon_threads = True

    def __init__(self) -> None:
        self.keys: dict[str, list[Private]] = {}
        self.mood = "well"  # or: wrong, sealed, nonsense, silent
        self.signed: list[bytes] = []
        self.opened = 0  # how often something was decrypted
        self._secret = os.urandom(32)
        self.may_answer = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def make(self, name: str, versions: int = 1) -> Private:
        self.keys[name] = [Ed25519PrivateKey.generate() for _ in range(versions)]
        return self.keys[name][-1]

    def sign(self, name: str, version: int, data: bytes) -> bytes:
        self.signed.append(data)
        if self.mood == "wrong":
            data += b"!"
        return self.keys[name][version - 1].sign(data)

    def encrypt(self, name: str, data: bytes) -> str:
        nonce = os.urandom(12)
        sealed = AESGCM(self._secret).encrypt(nonce, data, name.encode())
        return f"vault:v1:{_base64(nonce + sealed)}"

    def decrypt(self, name: str, text: str) -> bytes:
        self.opened += 1
        data = base64.b64decode(text.removeprefix("vault:v1:"))
        opened = AESGCM(self._secret).decrypt(data[:12], data[12:], name.encode())
        return opened[::-1] if self.mood == "wrong" else opened


class _Handler(BaseHTTPRequestHandler):
    server: Transit

    def do_GET(self) -> None:
        self._answer(self._read)

    def do_POST(self) -> None:
        asked = self.path.split("/")[3]
        self._answer({"encrypt": self._encrypt, "decrypt": self._decrypt}.get(asked, self._sign))

    def _answer(self, work: Any) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        if self.server.mood == "silent":
            self.server.may_answer.wait(30)
        if self.headers.get("X-Vault-Token") != TOKEN:
            self._send(403, {"errors": ["permission denied"]})
        elif self.server.mood == "sealed":
            self._send(503, {"errors": ["Vault is sealed"]})
        elif self.server.mood == "nonsense":
            self._send(200, {"data": {"signature": "hello"}})
        else:
            name = self.path.rpartition("/")[2]
            if name in self.server.keys:
                self._send(200, {"data": work(name, body)})
            else:
                self._send(404, {"errors": []})

    def _read(self, name: str, _body: dict[str, Any]) -> dict[str, Any]:
        assert self.path == f"/v1/transit/keys/{name}"
        return {
            "type": "ed25519",
            "keys": {
                str(version): {"public_key": _base64(key.public_key().public_bytes_raw())}
                for version, key in enumerate(self.server.keys[name], 1)
            },
        }

    def _sign(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        assert self.path == f"/v1/transit/sign/{name}"
        version = int(body["key_version"])
        signature = self.server.sign(name, version, base64.b64decode(body["input"]))
        return {"signature": f"vault:v{version}:{_base64(signature)}", "key_version": version}

    def _encrypt(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        assert self.path == f"/v1/transit/encrypt/{name}"
        return {"ciphertext": self.server.encrypt(name, base64.b64decode(body["plaintext"]))}

    def _decrypt(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        assert self.path == f"/v1/transit/decrypt/{name}"
        return {"plaintext": _base64(self.server.decrypt(name, body["ciphertext"]))}

    def _send(self, status: int, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the library's name
        pass


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Transit]:
    """A transit engine that the environment points at, as it would at a real one."""
    with Transit() as transit:
        thread = threading.Thread(target=transit.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        monkeypatch.setenv("VAULT_ADDR", transit.address)
        monkeypatch.setenv("VAULT_TOKEN", TOKEN)
        try:
            yield transit
        finally:
            transit.may_answer.set()
            transit.shutdown()
            thread.join()
