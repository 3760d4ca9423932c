"""The parts of the episode generator, ``python -m avtnet.synthesize``.

``script`` says what happens when, ``music``, ``speech`` and ``soundtrack`` make the sound,
``lettering``, ``drawing``, ``sequences`` and ``shots`` the picture, ``encode`` the file.
"""
