"""Many runs at once: axes, the engine that lifts one run to all of them, results, and the host loop around it."""
