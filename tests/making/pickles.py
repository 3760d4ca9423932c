"""Pickles that run something when they are read: a folder is made."""

import os
import pickle

import torch

PICKLES = ("torch.save", "torch.save, old format", "protocol 0", "protocol 2", "protocol 4")


class Marker:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def malicious(kind, path, marker):
    if kind == "torch.save":
        torch.save({"network": Marker(marker), "config": {}}, path)
    elif kind == "torch.save, old format":
        torch.save({"network": Marker(marker)}, path, _use_new_zipfile_serialization=False)
    else:
        path.write_bytes(pickle.dumps({"network": Marker(marker)}, protocol=int(kind[-1])))
    return path
