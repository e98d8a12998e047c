"""Load for a hub: thousands of protocol-true devices in one process."""
