"""Changes training pictures at random, a whole batch at a time."""
