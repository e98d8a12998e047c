"""The device's database and files: opening, migrating, locking, repairing. What is kept in them is `agent.outbox`'s."""
