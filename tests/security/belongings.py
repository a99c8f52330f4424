"""One of everything a tenant can own, and the routes that name it; a route with an unknown id is an error of its own."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.urls import URLPattern, URLResolver

from billing.metering import meter_instance
from billing.models import TermChange
from billing.month_close import close_month
from billing.price_changes import announce
from billing.prices import publish_price
from marketplace.inventory.assurance import add_certification
from marketplace.journeys.assess import AssessmentRequest, assess
from marketplace.kernel import ids
from marketplace.kernel.actors import as_actor
from marketplace.kernel.models import Severity
from marketplace.kernel.notices import raise_notice
from tests.api.caller import Caller
from tests.billing.paying import account_of, prepay
from tests.market import NOW, STAFF, Renter, SmallMarket, run_instance

DAY = timedelta(days=1)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One pattern of a URLconf."""

    pattern: str
    names: tuple[str, ...]
    view: Any

    def path(self, values: dict[str, str]) -> str:
        """The address with the ids filled in.

        Raises:
            KeyError: Nothing of that name is among the values: a new kind of id needs an entry in `own_everything`.
        """
        path = self.pattern
        for name in self.names:
            path = path.replace(f"<str:{name}>", values[name]).replace(f"<path:{name}>", values[name])
        return f"/{path}"

    @property
    def methods(self) -> frozenset[str]:
        """What an API view answers to; empty for a plain function."""
        return frozenset(name for name in METHODS if hasattr(getattr(self.view, "view_class", None), name.lower()))


def list_routes(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[Route]:
    """Every route below, but the one that catches the rest."""
    for item in patterns:
        if isinstance(item, URLResolver):
            yield from list_routes(item.url_patterns, prefix + str(item.pattern))
        elif not str(item.pattern).startswith("^"):
            yield Route(pattern=prefix + str(item.pattern), names=tuple(item.pattern.converters), view=item.callback)


def own_everything(caller: Caller, market: SmallMarket) -> dict[str, str]:
    """Make one of each through the product's own faces and operations; ids by the name that routes use for them."""
    renter = caller.renter
    invoice = _invoice(renter)
    credit = _credit(renter)
    instance = run_instance(renter, started_at=NOW, ended_at=None)
    instance_id = ids.format_id(prefix="ins", value=instance.id)
    quota = caller.call("GET", "/quotas")[1]["data"][0]["id"]
    paper = {"name": "plan.pdf", "content_base64": base64.b64encode(b"%PDF-1.7").decode()}
    asked = _made(
        caller, "/quota-requests",
        {"quota": quota, "limit": 20, "justification": "Training of the next model.", "attachments": [paper]},
    )  # fmt: skip
    return {
        "instance_id": instance_id,
        "schedule_id": _made(
            caller, f"/instances/{instance_id}/schedules", {"action": "stop", "at": "18:00", "weekdays": [5]}
        )["id"],
        "assessment_id": _assessment(renter),
        "certificate_id": _certificate(market),
        "request_id": asked["id"],
        "attachment_id": asked["attachments"][0]["id"],
        "api_key_id": _made(caller, "/api-keys", {"project": caller.project, "name": "ci", "scopes": ["offers.read"]})["id"],
        "budget_id": _made(
            caller, "/budgets", {"project": caller.project, "period": "month", "amount": "1000000", "on_limit": "warn"}
        )["id"],
        "change_id": _announced(market, renter),
        "account_id": credit,
        "invoice_id": invoice,
        "notice_id": _notice(renter),
    }  # fmt: skip


def unknown_ids(values: dict[str, str]) -> dict[str, str]:
    """As many ids of the same kinds that nothing has."""
    return {name: ids.format_id(prefix=value.partition("_")[0], value=ids.new_id()) for name, value in values.items()}


def _made(caller: Caller, path: str, body: dict[str, Any]) -> dict[str, Any]:
    status, made, _response = caller.call("POST", path, body)
    assert status == 201, made
    result: dict[str, Any] = made
    return result


def _assessment(renter: Renter) -> str:
    """With its paper."""
    with as_actor(renter.actor):
        made = assess(
            actor=renter.actor,
            request=AssessmentRequest(
                project_id=renter.project.id, provider="hanbit", scheme="finance-own-assessment",
                committee_on=date(2026, 11, 20), reported_on=None, review_number="2026-7",
                recheck_due_on=date(2027, 11, 19), document=("minutes.pdf", b"%PDF-1.7 minutes"),
            ),
            now=NOW,
        )  # fmt: skip
    return ids.format_id(prefix="asm", value=made.id)


def _certificate(market: SmallMarket) -> str:
    """A site's, with its paper: every customer's auditor may read it."""
    with as_actor(STAFF):
        made = add_certification(
            actor=STAFF, scheme="csap", level="mid", issuer="KISA", document_number="CSAP-9", site_id=market.site.id,
            valid_from=NOW, valid_to=NOW + 30 * DAY, document=("csap.pdf", b"%PDF-1.7 csap"), now=NOW,
        )  # fmt: skip
    return ids.format_id(prefix="crt", value=made.id)


def _announced(market: SmallMarket, renter: Renter) -> str:
    with as_actor(STAFF):
        version = publish_price(
            actor=STAFF, offer_id=market.offer.id, price_micros_per_device_hour=7_200_000_000,
            effective_from=NOW + 30 * DAY, now=NOW,
        )  # fmt: skip
        announce(actor=STAFF, price_version_id=version.id, now=NOW, reason="electricity")
        return ids.format_id(prefix="tch", value=TermChange.objects.get(tenant_id=renter.tenant.id).id)


def _credit(renter: Renter) -> str:
    """Before anything runs: what a payer owes in one way is not turned into the other."""
    prepay(renter, 1_000_000)
    return ids.format_id(prefix="crd", value=account_of(renter).id)


def _invoice(renter: Renter) -> str:
    """Of the month before, for a minute in it."""
    started = NOW - 30 * DAY
    instance = run_instance(renter, started_at=started, ended_at=started + timedelta(minutes=1), name="before")
    with as_actor(STAFF):
        meter_instance(instance_id=instance.id, now=started + timedelta(minutes=2))
    (issued,) = close_month(actor=STAFF, month=date(2026, 10, 1), now=NOW)
    return ids.format_id(prefix="inv", value=issued.id)


def _notice(renter: Renter) -> str:
    with as_actor(STAFF):
        notice = raise_notice(
            key="difference:mine", code="ledger.difference", severity=Severity.INFO, tenant_id=renter.tenant.id,
            facts={"what": "mine", "actual": 1, "expected": 2}, now=NOW,
        )  # fmt: skip
    return ids.format_id(prefix="not", value=notice.id)
