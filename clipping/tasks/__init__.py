"""Tasks that networks learn: their contract, their table, and the commands for all of them."""
