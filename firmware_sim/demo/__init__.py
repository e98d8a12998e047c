"""The whole story on one machine: a depot, three vans, a hub, outages and crashes, and the proof that nothing is lost."""
