"""Files that players and other tools read: one module a format, :mod:`.catalog` names them all."""
