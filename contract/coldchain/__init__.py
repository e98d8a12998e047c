"""The cold chain: what a load may be exposed to, and the judgement of what it was exposed to. One code for edge and hub."""
