"""The parts of the episode generator, ``python -m avtnet.synthesize``.

``script`` decides the parts and their times, ``music``, ``speech`` and ``soundtrack`` make the
sound, ``lettering``, ``drawing``, ``sequences`` and ``shots`` the pictures, ``encode`` the file.
"""
