"""The main job, end to end, on real mortgage decisions: `python -m examples.demo`."""
