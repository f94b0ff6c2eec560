"""What several commands share: arguments, pairs, running one another."""
