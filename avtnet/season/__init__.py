"""The stages of a season: what its episodes say of each other."""
