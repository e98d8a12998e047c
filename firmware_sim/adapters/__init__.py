"""How it talks: the bytes of the real protocols, without I/O."""
