"""The original's networks: AVTNet, AVTNet2 and AVTNet_YOLT, and their training."""
