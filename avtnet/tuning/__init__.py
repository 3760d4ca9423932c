"""AVTNetDense tuned on a person's own labelled episodes."""
