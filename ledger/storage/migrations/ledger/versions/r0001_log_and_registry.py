"""The log's tables, their fences, and the registry.

There is no way down: a log that could be migrated away would not be one.
"""

import sqlalchemy as sa
from alembic import op

revision = "r0001"
down_revision = None
branch_labels = None
depends_on = None

_COUNT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# A fence is (table, event, condition under which the statement is refused, reason).
# NEW and OLD are the rows; both databases read these conditions.
_NEXT = "COALESCE((SELECT max(seq) + 1 FROM log_entry WHERE log_id = NEW.log_id), 0)"
_NO_LOG = "NOT EXISTS (SELECT 1 FROM log WHERE id = NEW.log_id)"
_FENCES = (
    ("log", "INSERT", "EXISTS (SELECT 1 FROM log WHERE id = NEW.id OR origin = NEW.origin)"),
    ("log", "UPDATE", "TRUE"),
    ("log", "DELETE", "TRUE"),
    (
        "log_entry",
        "INSERT",
        (
            f"NEW.seq <> {_NEXT} OR EXISTS (SELECT 1 FROM log_entry"  # noqa: S608  constants
            f" WHERE log_id = NEW.log_id AND entry_id = NEW.entry_id) OR {_NO_LOG}"
        ),
    ),
    ("log_entry", "UPDATE", "TRUE"),
    ("log_entry", "DELETE", "TRUE"),
    (
        "log_reference",
        "INSERT",
        (
            "EXISTS (SELECT 1 FROM log_reference WHERE log_id = NEW.log_id"
            " AND reference = NEW.reference AND seq = NEW.seq)"
        ),
    ),
    ("log_reference", "UPDATE", "TRUE"),
    ("log_reference", "DELETE", "TRUE"),
    # A tile only ever grows: a row may go once a wider one holds everything it held.
    (
        "log_tile",
        "INSERT",
        (
            "EXISTS (SELECT 1 FROM log_tile WHERE log_id = NEW.log_id AND level = NEW.level"
            " AND tile_index = NEW.tile_index AND width >= NEW.width)"
        ),
    ),
    ("log_tile", "UPDATE", "TRUE"),
    (
        "log_tile",
        "DELETE",
        (
            "NOT EXISTS (SELECT 1 FROM log_tile AS wider WHERE wider.log_id = OLD.log_id"
            " AND wider.level = OLD.level AND wider.tile_index = OLD.tile_index"
            " AND wider.width > OLD.width AND {prefix} = OLD.hashes)"
        ),
    ),
    (
        "log_checkpoint",
        "INSERT",
        "EXISTS (SELECT 1 FROM log_checkpoint WHERE log_id = NEW.log_id AND size >= NEW.size)",
    ),
    ("log_checkpoint", "UPDATE", "TRUE"),
    ("log_checkpoint", "DELETE", "TRUE"),
    ("log_head", "INSERT", "EXISTS (SELECT 1 FROM log_head WHERE log_id = NEW.log_id)"),
    (
        "log_head",
        "UPDATE",
        (
            "NEW.log_id <> OLD.log_id OR NEW.size <= OLD.size OR NOT EXISTS (SELECT 1"
            " FROM log_checkpoint WHERE log_id = NEW.log_id AND size = NEW.size)"
        ),
    ),
    ("log_head", "DELETE", "TRUE"),
    # Payloads may be destroyed, that is erasure, but never exchanged.
    (
        "sealed_payload",
        "INSERT",
        f"EXISTS (SELECT 1 FROM sealed_payload WHERE record_id = NEW.record_id) OR {_NO_LOG}",  # noqa: S608  constants
    ),
    ("sealed_payload", "UPDATE", "TRUE"),
)
# On PostgreSQL a fence on each row of a large batch takes as long as inserting it, so these
# look once at all rows of a statement, `fresh`. That no key comes twice is the constraints'
# business, which nothing disables and PostgreSQL cannot be asked to ignore.
_FRESH = {
    ("log_entry", "INSERT"): (
        "EXISTS (SELECT 1 FROM (SELECT log_id, min(seq) AS first, max(seq) AS last, count(*) AS"
        " rows FROM fresh GROUP BY log_id) AS added WHERE added.last - added.first + 1 <>"
        " added.rows OR added.first <> COALESCE((SELECT max(seq) + 1 FROM log_entry WHERE"
        " log_id = added.log_id AND seq < added.first), 0)"
        " OR NOT EXISTS (SELECT 1 FROM log WHERE id = added.log_id))"
    ),
    ("sealed_payload", "INSERT"): (
        "EXISTS (SELECT 1 FROM fresh WHERE log_id NOT IN (SELECT id FROM log))"
    ),
}
_PREFIX = {
    "sqlite": "substr(wider.hashes, 1, length(OLD.hashes))",
    "postgresql": "substring(wider.hashes FROM 1 FOR length(OLD.hashes))",
}
_NEVER_TRUNCATED = ("log", "log_entry", "log_reference", "log_tile", "log_checkpoint", "log_head")


def upgrade() -> None:
    _create_log()
    _create_beside_the_log()
    dialect = op.get_bind().dialect.name
    for table, event, condition in _FENCES:
        refused = condition.replace("{prefix}", _PREFIX[dialect])
        if dialect == "postgresql" and (table, event) in _FRESH:
            statements = _fence_of_statement(table, event, _FRESH[table, event])
        else:
            statements = _fence(dialect, table, event, refused)
        for statement in statements:
            op.execute(sa.text(statement))
    if dialect == "postgresql":
        for table in _NEVER_TRUNCATED:
            for statement in _truncate_fence(table):
                op.execute(sa.text(statement))


def _create_log() -> None:
    op.create_table(
        "log",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_log"),
        sa.UniqueConstraint("origin", name="uq_log_origin"),
        sqlite_strict=True,
    )
    op.create_table(
        "log_entry",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("seq", _COUNT, nullable=False),
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "seq", name="pk_log_entry"),
        sa.UniqueConstraint("log_id", "entry_id", name="uq_log_entry_log_id_entry_id"),
        sqlite_strict=True,
    )
    op.create_table(
        "log_reference",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("seq", _COUNT, nullable=False),
        sa.PrimaryKeyConstraint("log_id", "reference", "seq", name="pk_log_reference"),
        sa.ForeignKeyConstraint(["log_id"], ["log.id"], name="fk_log_reference_log_id"),
        sqlite_strict=True,
    )
    op.create_table(
        "log_tile",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("tile_index", _COUNT, nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "level", "tile_index", "width", name="pk_log_tile"),
        sa.ForeignKeyConstraint(["log_id"], ["log.id"], name="fk_log_tile_log_id"),
        sqlite_strict=True,
    )
    op.create_table(
        "log_checkpoint",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("size", _COUNT, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "size", name="pk_log_checkpoint"),
        sa.ForeignKeyConstraint(["log_id"], ["log.id"], name="fk_log_checkpoint_log_id"),
        sqlite_strict=True,
    )
    op.create_table(
        "log_head",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", _COUNT, nullable=False),
        sa.PrimaryKeyConstraint("log_id", name="pk_log_head"),
        sa.ForeignKeyConstraint(["log_id"], ["log.id"], name="fk_log_head_log_id"),
        sqlite_strict=True,
    )


def _create_beside_the_log() -> None:
    op.create_table(
        "sealed_payload",
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("record_id", name="pk_sealed_payload"),
        sqlite_strict=True,
    )
    for table in ("model_version", "policy_version"):
        op.create_table(
            table,
            sa.Column("digest", sa.Text(), nullable=False),
            sa.Column("name", sa.Text(), nullable=False),
            sa.Column("version", sa.Text(), nullable=False),
            sa.Column("manifest", sa.LargeBinary(), nullable=False),
            sa.Column("entry_id", sa.Text(), nullable=False),
            sa.PrimaryKeyConstraint("digest", name=f"pk_{table}"),
            sa.UniqueConstraint("name", "version", name=f"uq_{table}_name_version"),
            sqlite_strict=True,
        )
    op.create_table(
        "api_key",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_us", _COUNT, nullable=False),
        sa.Column("revoked_us", _COUNT, nullable=True),
        sa.Column("expires_us", _COUNT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_key"),
        sqlite_strict=True,
    )


def _fence(dialect: str, table: str, event: str, refused: str) -> tuple[str, ...]:
    name = f"fence_{table}_{event.lower()}"
    reason = f"{table}: this {event} would change what was logged"
    if dialect == "sqlite":
        return (
            (
                f"CREATE TRIGGER {name} BEFORE {event} ON {table} WHEN {refused}"
                f" BEGIN SELECT RAISE(ABORT, '{reason}'); END"
            ),
        )
    row = "OLD" if event == "DELETE" else "NEW"
    return (
        (
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF {refused} THEN RAISE EXCEPTION '{reason}'; END IF; RETURN {row}; END $$"
        ),
        f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()",
        # ALWAYS: or session_replication_role = replica walks past the fence.
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}",
    )


def _fence_of_statement(table: str, event: str, refused: str) -> tuple[str, ...]:
    name = f"fence_{table}_{event.lower()}"
    reason = f"{table}: this {event} would change what was logged"
    return (
        (
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF {refused} THEN RAISE EXCEPTION '{reason}'; END IF; RETURN NULL; END $$"
        ),
        (
            f"CREATE TRIGGER {name} AFTER {event} ON {table} REFERENCING NEW TABLE AS fresh"
            f" FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        ),
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}",
    )


def _truncate_fence(table: str) -> tuple[str, ...]:
    name = f"fence_{table}_truncate"
    reason = f"{table}: TRUNCATE would change what was logged"
    return (
        (
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" RAISE EXCEPTION '{reason}'; END $$"
        ),
        (
            f"CREATE TRIGGER {name} BEFORE TRUNCATE ON {table}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        ),
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}",
    )
