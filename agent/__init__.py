"""The device: drivers, the outbox that keeps every fact, and the uplink to the hub."""
