"""The vault's tables: keys, and what is searchable about people. All of it can be deleted."""

import sqlalchemy as sa
from alembic import op

revision = "r0001"
down_revision = None
branch_labels = None
depends_on = None

_COUNT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_keys()
    _create_index()
    _create_events()
    _create_erasures()
    _create_holds()


def _create_keys() -> None:
    op.create_table(
        "tenant_key",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_tenant_key"),
        sqlite_strict=True,
    )
    op.create_table(
        "subject_key",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tag", sa.LargeBinary(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created_us", _COUNT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_subject_key"),
        sqlite_strict=True,
    )
    op.create_table(
        "record_key",
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("seq", _COUNT, nullable=True),
        sa.PrimaryKeyConstraint("record_id", name="pk_record_key"),
        sa.ForeignKeyConstraint(["key_id"], ["subject_key.id"], name="fk_record_key_key_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_record_key_key_id", "record_key", ["key_id"])
    op.create_index(
        "ix_record_key_unsettled",
        "record_key",
        ["origin", "record_id"],
        sqlite_where=sa.text("seq IS NULL"),
        postgresql_where=sa.text("seq IS NULL"),
    )


def _create_index() -> None:
    op.create_table(
        "decision_index",
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("tag", sa.LargeBinary(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("margin", _COUNT, nullable=False),
        sa.Column("decided_us", _COUNT, nullable=False),
        sa.Column("received_us", _COUNT, nullable=False),
        sa.Column("seq", _COUNT, nullable=True),
        sa.Column("pending", sa.Integer(), nullable=True),
        sa.Column("again", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("record_id", name="pk_decision_index"),
        sqlite_strict=True,
        # Room on each page for the version that says where the record stands, or every index
        # is written again, that of subjects all over.
        postgresql_with={"fillfactor": 50},
    )
    op.create_index("ix_decision_index_tag", "decision_index", ["tag"])
    op.create_index("ix_decision_index_decided", "decision_index", ["decided_us", "record_id"])
    op.create_index(
        "ix_decision_index_pending",
        "decision_index",
        ["pending", "model", "received_us", "record_id"],
        sqlite_where=sa.text("pending IS NOT NULL"),
        postgresql_where=sa.text("pending IS NOT NULL"),
    )
    op.create_index(
        "ix_decision_index_again",
        "decision_index",
        ["again", "record_id"],
        sqlite_where=sa.text("again IS NOT NULL"),
        postgresql_where=sa.text("again IS NOT NULL"),
    )
    op.create_table(
        "access_detail",
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("record_id", name="pk_access_detail"),
        sa.ForeignKeyConstraint(
            ["record_id"], ["record_key.record_id"], name="fk_access_detail_record_id"
        ),
        sqlite_strict=True,
    )
    op.create_table(
        "access_index",
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("record_id", "entry_id", name="pk_access_index"),
        sqlite_strict=True,
    )
    op.create_index("ix_access_index_entry_id", "access_index", ["entry_id"])
    op.create_table(
        "own_reference",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("tag", sa.LargeBinary(), nullable=False),
        sa.Column("declared_us", _COUNT, nullable=False),
        sa.PrimaryKeyConstraint("key_id", "tag", name="pk_own_reference"),
        sqlite_strict=True,
    )


def _create_events() -> None:
    op.create_table(
        "event_half",
        sa.Column("tag", sa.LargeBinary(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("inner", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("received_us", _COUNT, nullable=False),
        sa.Column("first", _COUNT, nullable=True),
        sa.PrimaryKeyConstraint("tag", "part", name="pk_event_half"),
        sa.UniqueConstraint("key_id", name="uq_event_half_key_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_event_half_received_us", "event_half", ["received_us"])
    op.create_table(
        "event_count",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("next", _COUNT, nullable=False),
        sa.PrimaryKeyConstraint("source", name="pk_event_count"),
        sqlite_strict=True,
    )
    op.create_table(
        "event_done",
        sa.Column("tag", sa.LargeBinary(), nullable=False),
        sa.Column("done_us", _COUNT, nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=True),
        sa.Column("response", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("tag", name="pk_event_done"),
        sqlite_strict=True,
    )
    op.create_index("ix_event_done_done_us", "event_done", ["done_us"])


def _create_erasures() -> None:
    op.create_table(
        "erasure",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tag", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("ground", sa.Text(), nullable=False),
        sa.Column("requester", sa.Text(), nullable=False),
        sa.Column("requester_role", sa.Text(), nullable=False),
        sa.Column("requested_us", _COUNT, nullable=False),
        sa.Column("approver", sa.Text(), nullable=True),
        sa.Column("approver_role", sa.Text(), nullable=True),
        sa.Column("approved_us", _COUNT, nullable=True),
        sa.Column("size", _COUNT, nullable=True),
        sa.Column("done_us", _COUNT, nullable=True),
        sa.Column("cleaned_us", _COUNT, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_erasure"),
        sqlite_strict=True,
    )
    op.create_index("ix_erasure_tag", "erasure", ["tag"])
    op.create_table(
        "erasure_record",
        sa.Column("erasure_id", sa.Text(), nullable=False),
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("hold_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("erasure_id", "record_id", name="pk_erasure_record"),
        sa.ForeignKeyConstraint(
            ["erasure_id"], ["erasure.id"], name="fk_erasure_record_erasure_id"
        ),
        sqlite_strict=True,
    )
    op.create_index("ix_erasure_record_record_id", "erasure_record", ["record_id"])


def _create_holds() -> None:
    op.create_table(
        "legal_hold",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.Column("tag", sa.LargeBinary(), nullable=True),
        sa.Column("setter", sa.Text(), nullable=False),
        sa.Column("set_us", _COUNT, nullable=False),
        sa.Column("review_us", _COUNT, nullable=False),
        sa.Column("logged", sa.Integer(), nullable=False),
        sa.Column("releaser", sa.Text(), nullable=True),
        sa.Column("released_us", _COUNT, nullable=True),
        sa.Column("restriction", sa.Text(), nullable=True),
        sa.Column("informed_us", _COUNT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_legal_hold"),
        sqlite_strict=True,
    )
    op.create_index("ix_legal_hold_tag", "legal_hold", ["tag"])
    op.create_table(
        "hold_record",
        sa.Column("hold_id", sa.Text(), nullable=False),
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("hold_id", "record_id", name="pk_hold_record"),
        sa.ForeignKeyConstraint(["hold_id"], ["legal_hold.id"], name="fk_hold_record_hold_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_hold_record_record_id", "hold_record", ["record_id"])
