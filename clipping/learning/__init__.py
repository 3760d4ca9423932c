"""Training networks (needs torch): the loop, run folders, checkpoints, devices."""
