"""Pages that operators look at. Each answers one question; `hub.web` holds what they share."""
