"""The broker: an embedded child process or an external one, and the link that the hub speaks through."""
