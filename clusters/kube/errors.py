"""What can go wrong when a cluster is asked something; retryable and final apart."""

from typing import ClassVar


class KubeError(Exception):
    """A cluster did not do what was asked.

    Attributes:
        is_retryable: Whether asking again later may help.
    """

    is_retryable: ClassVar[bool] = False


class KubeUnavailable(KubeError):
    """No answer, a broken connection, or a 5xx: the outcome of a write is unknown."""

    is_retryable = True


class KubeThrottled(KubeError):
    """429: the API server asks for patience.

    Attributes:
        retry_after_s: Seconds it asked for.
    """

    is_retryable = True

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        """Keep the wish."""
        self.retry_after_s = retry_after_s
        super().__init__(message)


class KubeConflict(KubeError):
    """409: a precondition (a UID, another field manager) does not hold."""


class KubeNotFound(KubeError):
    """404."""


class KubeForbidden(KubeError):
    """401 or 403: the credentials do not allow it, or an admission policy refused."""


class KubeInvalid(KubeError):
    """400 or 422: the object is not acceptable; asking again does not help."""


class KubeGarbage(KubeError):
    """An answer that no Kubernetes API server gives: not JSON, too large, or of another shape."""


class WatchExpired(KubeError):
    """410: the resource version is too old; list again."""

    is_retryable = True
