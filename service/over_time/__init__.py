"""How a model behaves over time: counted from every decision, kept as counts, never as cases."""
