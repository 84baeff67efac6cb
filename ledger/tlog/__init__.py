"""The transparency log's mathematics and formats; no clock, no I/O, no party."""
