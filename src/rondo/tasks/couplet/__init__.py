"""Couplets to order: the answering line of a couplet (对联), its first line, spring couplets from a name."""
