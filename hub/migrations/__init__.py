"""Steps from one schema to the next, and the check that they lead to the tables as declared."""
