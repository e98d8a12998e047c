"""What is simulated: pure functions of time, inputs and seed, without protocols or I/O."""
