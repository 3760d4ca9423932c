"""AVTNetDense: both ends of an opening and an ending, or nothing."""
