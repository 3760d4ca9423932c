"""The tasks that avtnet brings to the general commands: ``python -m clipping train --task …``."""
