"""Which raw feature each column of a fitted scikit-learn transformer was made from.

A contribution of a column is its raw feature's only if the column was made from that one
feature. So only transformers that are known to mix nothing are followed; the contributions of
several columns of one feature are added, with their signs.
"""

from collections.abc import Sequence
from typing import Any, Final

from explain.errors import ModelUnsupported

__all__ = ["lineage"]

COLUMN_BY_COLUMN: Final = frozenset(
    {
        *{"StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "OrdinalEncoder"},
        *{"PowerTransformer", "QuantileTransformer", "SimpleImputer", "Binarizer"},
    }
)
"""Transformers whose every column is made from the column in the same place."""


def lineage(transformer: Any, columns: Sequence[int], names: Sequence[str]) -> tuple[int, ...]:
    """Return for each column that comes out the raw feature that it was made from.

    Args:
        transformer: a fitted transformer, or `passthrough`, or `drop`.
        columns: for each column that goes in, its raw feature.
        names: what the columns that go in are called.

    Raises:
        ModelUnsupported: it mixes features, or is not known not to.
    """
    kind = type(transformer).__name__
    if isinstance(transformer, str):
        return tuple(columns) if transformer == "passthrough" else ()
    if not type(transformer).__module__.startswith("sklearn."):
        raise _mixing(kind)
    if kind == "Pipeline":
        return _through_steps(transformer, columns, names)
    if kind == "ColumnTransformer":
        return _side_by_side(transformer, columns, names)
    if kind == "OneHotEncoder":
        return _one_hot(transformer, columns)
    if kind == "FunctionTransformer" and transformer.func is None:
        return tuple(columns)  # how a passthrough is kept
    if kind not in COLUMN_BY_COLUMN or getattr(transformer, "add_indicator", False):
        raise _mixing(kind)
    if len(transformer.get_feature_names_out()) != len(columns):
        raise ModelUnsupported(f"{kind}: it leaves columns out, and does not say which")
    return tuple(columns)


def _through_steps(pipeline: Any, columns: Sequence[int], names: Sequence[str]) -> tuple[int, ...]:
    made, called = tuple(columns), tuple(names)
    for _, step in pipeline.steps:
        made = lineage(step, made, called)
        called = tuple(str(at) for at in range(len(made)))  # later steps know places only
    return made


def _side_by_side(
    transformer: Any, columns: Sequence[int], names: Sequence[str]
) -> tuple[int, ...]:
    places = transformer.output_indices_
    made: list[int | None] = [None] * max(place.stop for place in places.values())
    for name, part, chosen in transformer.transformers_:
        at = [_place(each, names) for each in _listed(chosen)]
        inner = lineage(part, [columns[each] for each in at], [names[each] for each in at])
        where = places[name]
        if len(inner) != where.stop - where.start:
            raise ModelUnsupported(f"ColumnTransformer: not as many columns as {name} should make")
        made[where] = inner
    found = tuple(each for each in made if each is not None)
    if len(found) != len(made):
        raise ModelUnsupported("ColumnTransformer: columns of unknown origin")
    return found


def _listed(chosen: Any) -> list[Any]:
    if isinstance(chosen, str) or not hasattr(chosen, "__iter__"):
        return [chosen]
    listed = list(chosen)
    if any(isinstance(each, bool) or type(each).__name__ == "bool" for each in listed):
        return [at for at, each in enumerate(listed) if each]
    return listed


def _place(column: Any, names: Sequence[str]) -> int:
    try:
        if isinstance(column, str):
            return list(names).index(column)
        return range(len(names))[int(column)]
    except (TypeError, ValueError, IndexError) as error:
        raise ModelUnsupported("ColumnTransformer: columns chosen in an unknown way") from error


def _one_hot(encoder: Any, columns: Sequence[int]) -> tuple[int, ...]:
    if encoder.min_frequency is not None or encoder.max_categories is not None:
        raise ModelUnsupported("OneHotEncoder: infrequent categories are not told apart here")
    dropped = encoder.drop_idx_
    made: list[int] = []
    for at, (column, categories) in enumerate(zip(columns, encoder.categories_, strict=True)):
        left_out = dropped is not None and dropped[at] is not None
        made += [column] * (len(categories) - left_out)
    return tuple(made)


def _mixing(kind: str) -> ModelUnsupported:
    return ModelUnsupported(
        f"{kind}: not known to make each column from one feature; watch the model behind it, or"
        " state its predictions yourself"
    )
