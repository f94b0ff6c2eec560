"""Flow mathematics: paths through latents, solvers along them, training targets. Imports torch only."""
