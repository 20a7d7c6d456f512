"""Finding better settings, with evidence: a search over numbers (tune), and a climb over practices."""
