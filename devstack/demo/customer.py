"""A customer of the REST API, as the demo, the journey tests and the benches need one: plain HTTP, no product code."""

import time
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import httpx


class ApiRefused(Exception):
    """The API answered with a problem document.

    Attributes:
        status: HTTP status.
        problem: The problem document.
    """

    def __init__(self, *, status: int, problem: dict[str, Any]) -> None:
        """Keep the answer."""
        self.status = status
        self.problem = problem
        super().__init__(f"{status} {problem.get('code')}: {problem.get('detail') or problem.get('title')}")


class StillWaiting(Exception):
    """What was waited for did not happen in time; the message says what was seen last."""


class Customer:
    """One API key and a connection that is kept open."""

    def __init__(self, *, base_url: str, api_key: str, language: str = "ko") -> None:
        """Make a customer; nothing is sent yet."""
        self._http = httpx.Client(
            base_url=f"{base_url}/api/v1",
            headers={"Authorization": f"Bearer {api_key}", "Accept-Language": language},
            timeout=15,
        )

    def __enter__(self) -> Self:
        """Use as a context manager to close the connection."""
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection; repeatable."""
        self._http.close()

    def get(self, path: str, **parameters: Any) -> dict[str, Any]:
        """Read; raises ApiRefused on any status of 400 or more."""
        return self._answer(self._http.get(path, params=parameters))

    def post(self, path: str, body: dict[str, Any], *, key: str | None = None) -> dict[str, Any]:
        """Write with an Idempotency-Key, a fresh one unless given."""
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        return self._answer(self._http.post(path, json=body, headers=headers))

    def download(self, path: str) -> bytes:
        """The bytes of a document."""
        response = self._http.get(path)
        if response.status_code >= 400:
            raise ApiRefused(status=response.status_code, problem=response.json())
        return response.content

    def act(self, instance_id: str, action: str) -> dict[str, Any]:
        """Ask for start, stop or end."""
        return self.post(f"/instances/{instance_id}/actions", {"type": action})

    def wait_for_state(
        self, instance_id: str, *states: str, timeout_s: float, tell: Callable[[str], None] = lambda _state: None
    ) -> dict[str, Any]:
        """Look until the instance is in one of the states.

        Raises:
            StillWaiting: Not within `timeout_s`; names the state and reason seen last.
        """
        deadline = time.monotonic() + timeout_s
        last = ""
        while True:
            instance = self.get(f"/instances/{instance_id}")
            if instance["state"] != last:
                last = instance["state"]
                tell(last)
            if last in states:
                return instance
            if time.monotonic() > deadline:
                message = f"{instance_id} is {last} ({instance.get('state_reason')}), wanted {' or '.join(states)}"
                raise StillWaiting(message)
            time.sleep(0.1)

    @staticmethod
    def _answer(response: httpx.Response) -> dict[str, Any]:
        body: dict[str, Any] = response.json()
        if response.status_code >= 400:
            raise ApiRefused(status=response.status_code, problem=body)
        return body
