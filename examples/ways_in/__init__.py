"""Three lines in what people already run: one short program for each way in."""
