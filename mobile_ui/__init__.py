"""The courier app: routes and proof of delivery on a handheld, on top of the agent's local socket."""
