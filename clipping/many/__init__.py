"""One function run over many items, by processes that may die."""
