"""Find the text in a picture: the engines, and the mask they make."""
