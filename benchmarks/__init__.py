"""What this project costs, as ratios of two things measured side by side."""
