"""Scanners, probes and position receivers.

Each kind is a pure decoder (bytes in, frames or typed rejections out; no I/O, no clock) inside one shared shell that opens,
reads, reopens and counts.
"""
