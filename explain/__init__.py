"""Reasons about a model: a model, a row and a reference group in, frozen values out.

Pure: no clock, no chance, no network, no database, and nothing of the ledger. The faces:

- :func:`explain.artifacts.open_model` opens a registered model version, safely
- :func:`explain.engines.attributor_for` takes a model's outputs apart, or refuses to
- :func:`explain.reference_group.reference_group` chooses whom they are compared with
- :func:`explain.narrative.explain_decision` explains one recorded decision
- :func:`explain.replay.replay` runs one again and compares
- :class:`explain.explanation.Explanation` is what documents and screens lay out

Imports nothing, so that a caller loads only what it uses.
"""
