"""``python -m avtnet.locate FILES_OR_FOLDER``; the code is in :mod:`avtnet.localization`."""

import sys

from avtnet.localization import main

if __name__ == "__main__":
    sys.exit(main())
