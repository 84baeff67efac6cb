"""The registry: which model versions and policies there are, and what is claimed of them.

That a version was registered, and in which stage of its life it is, is what the log
says; the manifests and files beside it are only believed by their digests.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine

from ledger.canonical import JsonValue
from ledger.entries import (
    UUID7_RANDOM_BYTES,
    ModelVersionRegistered,
    ModelVersionStatus,
    PolicyRegistered,
    parse_entry,
    uuid7,
)
from ledger.errors import MalformedError, RefusedError
from ledger.operate.artefacts import ArtefactStore
from ledger.operate.decision_check import check_policy, features_of
from ledger.operate.key_wrapper import Random
from ledger.operate.log_writer import LogWriter
from ledger.operate.manifests import Manifests, Registered
from ledger.operate.published_log import PublishedLog
from ledger.operate.sequencer import Clock
from ledger.operate.vault import microseconds
from ledger.storage.models import model_version, policy_version

REGISTERED: Final = "registered"
SUSPENDED: Final = "suspended"


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A registered model version.

    Attributes:
        digest: SHA-256 of the manifest's canonical JSON, hex.
        name: what the model is called.
        version: which version of it.
        manifest: everything that is claimed about it (`docs/formats.md` §5).
        status: `registered`, or the last stage that the log names.
    """

    digest: str
    name: str
    version: str
    manifest: Mapping[str, JsonValue]
    status: str

    @property
    def reference(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """A registered policy; members as of :class:`ModelVersion`."""

    digest: str
    name: str
    version: str
    manifest: Mapping[str, JsonValue]

    @property
    def reference(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"


class Registry:
    """Models and policies of one ledger; what it appends goes to the decisions log."""

    def __init__(
        self,
        engine: Engine,
        log: PublishedLog,
        writer: LogWriter,
        artefacts: ArtefactStore,
        clock: Clock,
        random: Random,
        check_retention: Callable[[Mapping[str, JsonValue]], object] = dict,
    ) -> None:
        """Keep manifests in `engine` and files in `artefacts`.

        `check_retention` raises for a policy's manifest whose retention contradicts itself.
        """
        self._check_retention = check_retention
        self._log = log
        self._artefacts = artefacts
        self._models = Manifests(engine, log, writer, model_version, ModelVersionRegistered)
        self._policies = Manifests(engine, log, writer, policy_version, PolicyRegistered)
        self._clock = clock
        self._random = random
        self._stages: dict[str, tuple[int, str]] = {}  # by digest: as of which size, and which
        self._looking = threading.Lock()

    def register_model(
        self, manifest: Mapping[str, JsonValue], artefacts: Mapping[str, bytes]
    ) -> ModelVersion:
        """Register a model version; the same manifest again changes nothing.

        Args:
            manifest: `docs/formats.md` §5.
            artefacts: the files' bytes by the names that the manifest's `artefacts` give
                them; a file that is here already need not be sent.

        Raises:
            MalformedError: the manifest or a file is not what it must be; `member` says where.
            RefusedError: a feature is a protected characteristic.
            ConflictError: this name and version has another manifest.
        """
        for name, feature in features_of(manifest).items():
            if feature.get("protected") is True:
                raise RefusedError(
                    f"manifest: the feature {name} is a protected characteristic;"
                    " a model that uses it cannot be registered",
                    member=f"features.{name}",
                )
        self._keep_files(manifest, artefacts)
        return self._model(self._models.register(manifest, self._new_id()))

    def register_policy(self, manifest: Mapping[str, JsonValue]) -> PolicyVersion:
        """Register a policy; the same manifest again changes nothing.

        Raises:
            MalformedError: it is not a policy's manifest; `member` says where.
            RefusedError: how long its decisions are kept is not stated, or contradicts itself.
            ConflictError: this name and version has another manifest.
        """
        check_policy(manifest)
        self._check_retention(manifest)
        return _policy(self._policies.register(manifest, self._new_id()))

    def model(self, reference: str) -> ModelVersion:
        """The model version of a digest or `name@version`.

        Raises:
            NotFoundError: it was never registered; `member` is "model".
            VerificationError: what is stored is not what was registered.
        """
        return self._model(self._models.find(reference))

    def models(self) -> tuple[ModelVersion, ...]:
        """Every registered model version, by name and version."""
        return tuple(map(self._model, self._models.all()))

    def policy(self, reference: str) -> PolicyVersion:
        """The policy of a digest or `name@version`; raises as :meth:`model`."""
        return _policy(self._policies.find(reference))

    def policies(self) -> tuple[PolicyVersion, ...]:
        """Every registered policy, by name and version."""
        return tuple(map(_policy, self._policies.all()))

    def artefact(self, digest: str) -> bytes:
        """The bytes of a file by its SHA-256, hashed again before they are handed out.

        Raises:
            NotFoundError: there is no such file.
            VerificationError: the file is not what its name says.
            PushbackError: the store does not answer now.
        """
        return self._artefacts.read(digest)

    def _model(self, found: Registered) -> ModelVersion:
        status = self._status(found.digest)
        return ModelVersion(found.digest, found.name, found.version, found.manifest, status)

    def _status(self, digest: str) -> str:
        """The stage that the log names last; what is new is read whenever the log has grown.

        A change is answered once the checkpoint lock covers it, so no answered one is missed.
        """
        size = self._log.size()
        with self._looking:  # after a commit every thread of the process wants to know
            seen, status = self._stages.get(digest, (0, REGISTERED))
            if seen < size:
                for raw in self._log.referring(digest, seen):
                    body = parse_entry(raw).body
                    if isinstance(body, ModelVersionStatus):
                        status = body.status
                self._stages[digest] = (size, status)
        return status

    def _keep_files(
        self, manifest: Mapping[str, JsonValue], artefacts: Mapping[str, bytes]
    ) -> None:
        claimed = _claimed_digests(manifest)
        if artefacts.keys() - claimed.keys():
            raise MalformedError("artefact: the manifest has no such file", member="artefacts")
        for name, digest in claimed.items():
            place = f"artefacts.{name}"
            if name in artefacts:
                if self._artefacts.keep(artefacts[name]) != digest:
                    raise MalformedError("artefact: not the file of the manifest", member=place)
            elif not self._artefacts.has(digest):
                raise MalformedError("artefact: the file is missing", member=place)

    def _new_id(self) -> str:
        unix_ms = microseconds(self._clock()) // 1000
        return uuid7(unix_ms, self._random(UUID7_RANDOM_BYTES))


def _policy(found: Registered) -> PolicyVersion:
    return PolicyVersion(found.digest, found.name, found.version, found.manifest)


def _claimed_digests(manifest: Mapping[str, JsonValue]) -> dict[str, str]:
    files = manifest.get("artefacts")
    if not isinstance(files, Mapping):
        raise MalformedError("manifest: not an object", member="artefacts")
    claimed = {}
    for name, file in files.items():
        digest = file.get("sha256") if isinstance(file, Mapping) else None
        if not isinstance(digest, str):
            raise MalformedError("manifest: a file without SHA-256", member=f"artefacts.{name}")
        claimed[name] = digest
    return claimed
