"""The errors of all packages, as one family.

* ClippingError
    - MediaError        a file that cannot be read (or written) as media
    - TableError        a CSV, JSON or label file with a wrong row
    - FeatureError      a feature file that is damaged or was made with other settings
    - CheckpointError   weights that cannot be trusted, read or rebuilt
    - ConfigError       a setting that is unknown or out of range
    - ExtraMissing      a package of an extra that is not installed (clipping.extra)
    - StorageError      storage that failed to answer, and may answer the next time

Every message says what is wrong, in which file or setting, and what would be right. Commands turn
a ClippingError into one line on stderr and exit code 1; any other exception is a bug and keeps its
traceback.
"""


class ClippingError(Exception):
    """Base class of every error that a user can cause or correct."""


class MediaError(ClippingError):
    """A file that cannot be read or written as media."""


class TableError(ClippingError):
    """A table (CSV, JSON, labels) with a wrong row; the message names file and line."""


class FeatureError(ClippingError):
    """A feature file that is damaged, or was made with other settings."""


class CheckpointError(ClippingError):
    """Weights that cannot be trusted, read, or rebuilt into a model."""


class ConfigError(ClippingError):
    """A setting that is unknown or out of range."""


class StorageError(ClippingError):
    """Remote storage that failed to answer; a second attempt may succeed."""
