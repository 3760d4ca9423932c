"""Where text stands in a picture: the engines and the mask."""
