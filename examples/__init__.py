"""Programs to read and run, from the five-minute start to the whole demo."""
