"""Who may do what at the hub: operators, sessions, tokens, and the trail of what people changed."""
