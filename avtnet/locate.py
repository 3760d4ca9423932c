"""``python -m avtnet.locate FILES_OR_FOLDER``; the code is in :mod:`avtnet.localization`.

``avtnet.locate`` is also the function of that name. Importing this module puts it in the function's
place, so it can be called like it.
"""

import sys
from types import ModuleType
from typing import Any

from avtnet.localization import locate, main
from clipping.segments import Timeline


class _CallableModule(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Timeline:
        return locate(*args, **kwargs)


sys.modules[__name__].__class__ = _CallableModule

if __name__ == "__main__":
    sys.exit(main())
