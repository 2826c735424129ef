"""Proofs of the promises: real processes, killed, stopped and cut off; what was lost is counted (`make drills`)."""
