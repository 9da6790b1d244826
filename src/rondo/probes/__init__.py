"""Probes: small tasks that each ask for one ability, to compare cells at equal parameters and budget."""
