"""Our own tables in the target: what ran, what was committed, what was left out and why."""
