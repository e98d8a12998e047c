"""What came of stops: proofs with their evidence, the state that follows from them, and figures."""
