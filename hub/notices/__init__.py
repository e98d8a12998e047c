"""Notices to operators: what needs a person is told by e-mail, SMS or chat, from an outbox that survives restarts."""
