"""A caller of the REST API in the test process."""

import json
from dataclasses import dataclass
from typing import Any

from django.test import Client

from marketplace.kernel import ids
from marketplace.kernel.actors import as_actor
from marketplace.tenants.api_keys import issue_api_key
from marketplace.tenants.permissions import PERMISSIONS
from tests.market import NOW, STAFF, Renter


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """One API key."""

    client: Client
    secret: str
    renter: Renter

    @property
    def project(self) -> str:
        """The key's project, as the API names it."""
        return ids.format_id(prefix="prj", value=self.renter.project.id)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
        """Status, parsed body, response."""
        data = body if isinstance(body, (bytes, str)) else json.dumps(body) if body is not None else ""
        response = self.client.generic(
            method,
            f"/api/v1{path}",
            data,
            content_type="application/json",
            headers={"Authorization": f"Bearer {self.secret}", "Accept-Language": "en", **headers},
        )
        content = response.content
        return response.status_code, json.loads(content) if content else None, response

    def call_raw(self, path: str) -> Any:
        """The response to a GET whose answer is no JSON."""
        headers = {"Authorization": f"Bearer {self.secret}", "Accept-Language": "en"}
        return self.client.get(f"/api/v1{path}", headers=headers)

    def body(self, **changes: Any) -> dict[str, Any]:
        """A rent for two H200s."""
        return {
            "project": self.project,
            "name": "train",
            "accelerators": ["nvidia-h200"],
            "devices": 2,
            "image": "registry.example/pytorch:2.8",
            **changes,
        }


def make_caller(renter: Renter, *, scopes: frozenset[str] = PERMISSIONS) -> Caller:
    """Issue a key for the renter's project."""
    with as_actor(STAFF):
        issued = issue_api_key(actor=STAFF, project=renter.project, name="test", scopes=scopes, now=NOW)
    return Caller(client=Client(raise_request_exception=False), secret=issued.secret, renter=renter)
