"""The tables of the two databases.

The tables of a log are a format: the offline verifier reads them from a SQLite file
without this module, so a column is never renamed. Triggers that keep them
append-only are in the migrations. Rows never leave `storage` and `operate`.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
_COUNT = BigInteger().with_variant(Integer(), "sqlite")  # STRICT tables know INTEGER only

ledger = MetaData(naming_convention=_NAMES)
vault = MetaData(naming_convention=_NAMES)

log = Table(
    "log",
    ledger,
    Column("id", Integer, primary_key=True),
    Column("origin", Text, nullable=False, unique=True),
    sqlite_strict=True,
)

# Here and in `sealed_payload` the fence sees to it that the log is there: once for a batch,
# where a foreign key looks for each row.
log_entry = Table(
    "log_entry",
    ledger,
    Column("log_id", Integer, nullable=False),
    Column("seq", _COUNT, nullable=False),
    Column("entry_id", Text, nullable=False),
    Column("entry", LargeBinary, nullable=False),
    Column("leaf_hash", LargeBinary, nullable=False),
    PrimaryKeyConstraint("log_id", "seq"),
    UniqueConstraint("log_id", "entry_id"),
    sqlite_strict=True,
)

# What an entry names besides itself (a decision, a model), worked out from its bytes, so
# that the history of one decision can be read without walking the log.
log_reference = Table(
    "log_reference",
    ledger,
    Column("log_id", Integer, ForeignKey("log.id"), nullable=False),
    Column("reference", Text, nullable=False),
    Column("seq", _COUNT, nullable=False),
    PrimaryKeyConstraint("log_id", "reference", "seq"),
    sqlite_strict=True,
)

# Of each tile only the widest row is kept: a narrower tile is its prefix.
log_tile = Table(
    "log_tile",
    ledger,
    Column("log_id", Integer, ForeignKey("log.id"), nullable=False),
    Column("level", Integer, nullable=False),
    Column("tile_index", _COUNT, nullable=False),
    Column("width", Integer, nullable=False),
    Column("hashes", LargeBinary, nullable=False),
    PrimaryKeyConstraint("log_id", "level", "tile_index", "width"),
    sqlite_strict=True,
)

log_checkpoint = Table(
    "log_checkpoint",
    ledger,
    Column("log_id", Integer, ForeignKey("log.id"), nullable=False),
    Column("size", _COUNT, nullable=False),
    Column("note", Text, nullable=False),
    PrimaryKeyConstraint("log_id", "size"),
    sqlite_strict=True,
)

log_head = Table(
    "log_head",
    ledger,
    Column("log_id", Integer, ForeignKey("log.id"), primary_key=True, autoincrement=False),
    Column("size", _COUNT, nullable=False),
    sqlite_strict=True,
)

sealed_payload = Table(
    "sealed_payload",
    ledger,
    Column("record_id", Text, primary_key=True),
    Column("log_id", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    sqlite_strict=True,
)

model_version = Table(
    "model_version",
    ledger,
    Column("digest", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("manifest", LargeBinary, nullable=False),
    Column("entry_id", Text, nullable=False),
    UniqueConstraint("name", "version"),
    sqlite_strict=True,
)

policy_version = Table(
    "policy_version",
    ledger,
    Column("digest", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("manifest", LargeBinary, nullable=False),
    Column("entry_id", Text, nullable=False),
    UniqueConstraint("name", "version"),
    sqlite_strict=True,
)

api_key = Table(
    "api_key",
    ledger,
    Column("id", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("created_us", _COUNT, nullable=False),
    Column("revoked_us", _COUNT),
    Column("expires_us", _COUNT),
    sqlite_strict=True,
)

tenant_key = Table(
    "tenant_key",
    vault,
    Column("name", Text, primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    sqlite_strict=True,
)

# One row per key, not per person: a subject has one for each record, so that writing reads
# none. `tag` is an HMAC; the records of a subject are found by `decision_index`.
subject_key = Table(
    "subject_key",
    vault,
    Column("id", Text, primary_key=True),
    Column("tag", LargeBinary, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_us", _COUNT, nullable=False),
    sqlite_strict=True,
)

# `seq` stays empty until the record is known to be in its log.
record_key = Table(
    "record_key",
    vault,
    Column("record_id", Text, primary_key=True),
    Column("origin", Text, nullable=False),
    Column("key_id", Text, ForeignKey("subject_key.id"), nullable=False, index=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("seq", _COUNT),
    sqlite_strict=True,
)
Index(
    "ix_record_key_unsettled",
    record_key.c.origin,
    record_key.c.record_id,
    sqlite_where=record_key.c.seq.is_(None),
    postgresql_where=record_key.c.seq.is_(None),
)

decision_index = Table(
    "decision_index",
    vault,
    Column("record_id", Text, primary_key=True),
    Column("tag", LargeBinary),
    Column("outcome", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("margin", _COUNT, nullable=False),
    Column("decided_us", _COUNT, nullable=False),
    Column("received_us", _COUNT, nullable=False),
    Column("seq", _COUNT),
    Column("pending", Integer),
    Column("again", Integer),
    Index("ix_decision_index_tag", "tag"),
    Index("ix_decision_index_decided", "decided_us", "record_id"),
    sqlite_strict=True,
    postgresql_with={"fillfactor": 50},  # in percent; see the migration
)
# Which decisions came without attributions, and how that stands: empty for nearly all of them.
# By model and age, so that what waits is found and counted without reading rows.
Index(
    "ix_decision_index_pending",
    decision_index.c.pending,
    decision_index.c.model,
    decision_index.c.received_us,
    decision_index.c.record_id,
    sqlite_where=decision_index.c.pending.is_not(None),
    postgresql_where=decision_index.c.pending.is_not(None),
)

# Which are to be decided again with corrected data: empty for nearly all of them.
Index(
    "ix_decision_index_again",
    decision_index.c.again,
    decision_index.c.record_id,
    sqlite_where=decision_index.c.again.is_not(None),
    postgresql_where=decision_index.c.again.is_not(None),
)

# What an entry of the access log commits to, sealed: which records, which fields.
access_detail = Table(
    "access_detail",
    vault,
    Column("record_id", Text, ForeignKey("record_key.record_id"), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    sqlite_strict=True,
)

# Which entries of the access log are about a record: whoever is looked at may ask who looked.
# It goes with the record, and with the entry's detail.
access_index = Table(
    "access_index",
    vault,
    Column("record_id", Text, nullable=False),
    Column("entry_id", Text, nullable=False),
    PrimaryKeyConstraint("record_id", "entry_id"),
    Index("ix_access_index_entry_id", "entry_id"),
    sqlite_strict=True,
)

# References that are a colleague's own, or of people close to them: HMACs, each with the key.
own_reference = Table(
    "own_reference",
    vault,
    Column("key_id", Text, nullable=False),
    Column("tag", LargeBinary, nullable=False),
    Column("declared_us", _COUNT, nullable=False),
    PrimaryKeyConstraint("key_id", "tag"),
    sqlite_strict=True,
)

# Half of an exchange with a model server, sealed, until its other half comes; and how many
# predictions of each such source were counted so far.
event_half = Table(
    "event_half",
    vault,
    Column("tag", LargeBinary, nullable=False),
    Column("part", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("key_id", Text, nullable=False, unique=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("inner", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("received_us", _COUNT, nullable=False, index=True),
    Column("first", _COUNT),
    PrimaryKeyConstraint("tag", "part"),
    sqlite_strict=True,
)

event_count = Table(
    "event_count",
    vault,
    Column("source", Text, primary_key=True),
    Column("next", _COUNT, nullable=False),
    sqlite_strict=True,
)

# Exchanges that were recorded or declared lately, so that an event sent again is known; and
# an HMAC of what each half said, so that other content under a used id is not taken for it.
event_done = Table(
    "event_done",
    vault,
    Column("tag", LargeBinary, primary_key=True),
    Column("done_us", _COUNT, nullable=False, index=True),
    Column("request", LargeBinary),
    Column("response", LargeBinary),
    sqlite_strict=True,
)

# A request to erase, from when it is made: the intent that outlives a crash. `tag` is there
# when it is about a person and not about single records.
erasure = Table(
    "erasure",
    vault,
    Column("id", Text, primary_key=True),
    Column("tag", LargeBinary),
    Column("state", Text, nullable=False),
    Column("ground", Text, nullable=False),
    Column("requester", Text, nullable=False),
    Column("requester_role", Text, nullable=False),
    Column("requested_us", _COUNT, nullable=False),
    Column("approver", Text),
    Column("approver_role", Text),
    Column("approved_us", _COUNT),
    Column("size", _COUNT),
    Column("done_us", _COUNT),
    Column("cleaned_us", _COUNT),
    Column("reason", Text),
    Index("ix_erasure_tag", "tag"),
    sqlite_strict=True,
)

# What a request is about: decisions (part 0), and what was attached to them (part 1). One
# that a legal hold covers stays, and names the hold.
erasure_record = Table(
    "erasure_record",
    vault,
    Column("erasure_id", Text, ForeignKey("erasure.id"), nullable=False),
    Column("record_id", Text, nullable=False),
    Column("part", Integer, nullable=False),
    Column("hold_id", Text),
    PrimaryKeyConstraint("erasure_id", "record_id"),
    Index("ix_erasure_record_record_id", "record_id"),
    sqlite_strict=True,
)

# A legal hold is in force from its row on, until `released_us`. Matter, ground and owner are
# sealed with the entry `entry_id`; `logged` says that it is known to be in the log.
legal_hold = Table(
    "legal_hold",
    vault,
    Column("id", Text, primary_key=True),
    Column("entry_id", Text, nullable=False),
    Column("tag", LargeBinary),
    Column("setter", Text, nullable=False),
    Column("set_us", _COUNT, nullable=False),
    Column("review_us", _COUNT, nullable=False),
    Column("logged", Integer, nullable=False),
    Column("releaser", Text),
    Column("released_us", _COUNT),
    Column("restriction", Text),
    Column("informed_us", _COUNT),
    Index("ix_legal_hold_tag", "tag"),
    sqlite_strict=True,
)

hold_record = Table(
    "hold_record",
    vault,
    Column("hold_id", Text, ForeignKey("legal_hold.id"), nullable=False),
    Column("record_id", Text, nullable=False),
    PrimaryKeyConstraint("hold_id", "record_id"),
    Index("ix_hold_record_record_id", "record_id"),
    sqlite_strict=True,
)
