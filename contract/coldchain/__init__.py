"""The cold chain: what a load may be exposed to, and the judgement of what it was exposed to. The same at the edge and the hub."""
