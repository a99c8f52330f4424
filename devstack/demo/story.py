"""The demo's story: a bank's engineer rents two H200s, Ondol refuses the site that the data class forbids, and the month closes.

Everything goes the customer's way: the REST API over HTTP, real workers, a real Kubernetes API server. Only the month's close takes
its instant as an argument, since a demo cannot wait for the first of the month.
"""

import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from rich.console import Console

from devstack.demo.customer import ApiRefused, Customer
from devstack.demo.result import DemoResult, StoryFailed
from devstack.in_process import set_up_django
from devstack.kubernetes.access import bootstrap_provider_access
from devstack.postgres import Login
from devstack.processes import Processes
from devstack.progress import step
from devstack.recompute import Recorder, compare, recompute
from devstack.stack import Stack
from devstack.watching import ClusterPods

if TYPE_CHECKING:
    from devstack.demo.world import World

RUN_S = 8
"""How long the story lets the instance run; longer would only cost the reader's time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What the customer was handed."""

    base_url: str
    api_key: str
    project: str


def run(
    *, stack: Stack, processes: Processes, database: str, installation_id: UUID, console: Console, once: bool
) -> DemoResult:
    """Play the story on a started stack.

    Raises:
        StoryFailed: A step did not come out as told.
    """
    del once
    set_up_django(stack.environment(database=database, login=Login.STAFF, installation_id=installation_id))
    recorders = [Recorder(source=ClusterPods(cluster)) for cluster in stack.clusters.values()]
    for recorder in recorders:
        recorder.start()
    passwords = {person: secrets.token_urlsafe(9) for person in ("engineer", "visitor", "operator")}
    with step("Market: providers, sites, certificates, offers, prices, two customers", expected_s=2):
        world = _build_world(stack, passwords)
        access = _hand_out_key(world, base_url=processes.url)
    _wait_for_stock(access)
    with Customer(base_url=access.base_url, api_key=access.api_key, language="en") as customer:
        _refused_by_data_class(customer, access, console)
        instance_id = _rent_and_run(customer, access, console)
        _stop(customer, instance_id, console)
        with step("Month: closed, with an instant in the next month as its argument", expected_s=1):
            invoice_id = _close_month(world)
        invoice = customer.get(f"/invoices/{invoice_id}")
        pdf = customer.download(f"/invoices/{invoice_id}/pdf")
    _tell_invoice(invoice, pdf, console)
    _check_against_pods(invoice, recorders, console)
    for recorder in recorders:
        recorder.stop()
    return DemoResult(
        invoice_number=invoice["number"],
        supply_won=int(invoice["supply_value"]),
        vat_won=int(invoice["vat"]),
        total_won=int(invoice["total"]),
        visitor_lines=(
            f"Portal    {processes.url}   {world.visitor.email}   {passwords['visitor']}",
            f"Bank      {processes.url}   {world.bank.email}   {passwords['engineer']}",
            f"Console   {processes.console_url}   {world.operator_email}   {passwords['operator']}",
        ),
    )


def _build_world(stack: Stack, passwords: dict[str, str]) -> "World":
    from devstack.demo.world import build_world  # noqa: PLC0415 - Django is set up only now

    kubeconfigs = {name: bootstrap_provider_access(cluster) for name, cluster in stack.clusters.items()}
    return build_world(kubeconfigs=kubeconfigs, passwords=passwords, now=datetime.now(UTC))


def _hand_out_key(world: "World", *, base_url: str) -> Access:
    from marketplace.kernel import ids  # noqa: PLC0415 - Django is set up only now
    from marketplace.kernel.actors import as_actor, system_actor  # noqa: PLC0415
    from marketplace.tenants.api_keys import issue_api_key  # noqa: PLC0415
    from marketplace.tenants.permissions import BY_ROLE  # noqa: PLC0415

    actor = system_actor("demo")
    with as_actor(actor):
        issued = issue_api_key(
            actor=actor, project=world.bank.project, name="demo", scopes=BY_ROLE["owner"], now=datetime.now(UTC)
        )
    project = ids.format_id(prefix="prj", value=world.bank.project.id)
    return Access(base_url=base_url, api_key=issued.secret, project=project)


def _wait_for_stock(access: Access) -> None:
    """The watcher sees both clusters' nodes within seconds of their registration."""
    with (
        step("Stock: the watcher reads both clusters", expected_s=3),
        Customer(base_url=access.base_url, api_key=access.api_key, language="en") as customer,
    ):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            offers = _quote(customer, access)["offers"]
            if offers and offers[0]["availability"] == "now":
                return
            time.sleep(0.2)
        message = "no stock was seen within 20 s"
        raise StoryFailed(message)


def _quote(customer: Customer, access: Access) -> dict[str, Any]:
    return customer.post("/quotes", {"project": access.project, "accelerators": ["nvidia-h200"], "devices": 2})


def _refused_by_data_class(customer: Customer, access: Access, console: Console) -> None:
    """The quote names the refused site with its rule, and renting there alone is refused."""
    quote = _quote(customer, access)
    for offer in quote["offers"]:
        console.print(f"  offered  {offer['code']}: ₩{offer['price_per_device_hour']} per device-hour, {offer['site']}")
    for refused in quote["refused"]:
        for reason in refused["reasons"]:
            console.print(f"  refused  {refused['offer_code']}: {reason['message']}", markup=False)
    if [item["offer_code"] for item in quote["refused"]] != ["chuncheon-h200"]:
        message = f"the uncertified site should have been refused, the quote says {quote['refused']}"
        raise StoryFailed(message)
    try:
        customer.post("/instances", {**_request(access), "offers": [quote["refused"][0]["offer"]]})
    except ApiRefused as refusal:
        if refusal.problem["code"] != "data_class_not_allowed":
            raise
        console.print(f"[green]✓[/] Rent at the cheaper, uncertified site: {refusal.status} {refusal.problem['code']}")
        return
    message = "an instance was rented at a site that the data class forbids"
    raise StoryFailed(message)


def _request(access: Access) -> dict[str, Any]:
    return {
        "project": access.project,
        "name": "credit-model",
        "accelerators": ["nvidia-h200"],
        "devices": 2,
        "image": "registry.ondol.example/pytorch:2.8-cuda12.8",
    }


def _rent_and_run(customer: Customer, access: Access, console: Console) -> str:
    """Rent two H200s, wait until they run, show why there."""
    began = time.monotonic()
    instance = customer.post("/instances", _request(access))
    instance_id: str = instance["id"]
    with step("Instance: two H200s for the bank", expected_s=2) as shown:
        running = customer.wait_for_state(instance_id, "running", timeout_s=30, tell=shown.say)
    placement = customer.get(f"/instances/{instance_id}/placement")["decision"]
    certificates = ", ".join(item["document"] for item in placement["certificates"])
    console.print(
        f"  runs on {running['place']['node']} at {running['place']['site']} after {time.monotonic() - began:.1f} s;"
        f" certificates relied on: {certificates}"
    )
    with step(f"Meter: {RUN_S} s of two devices", expected_s=RUN_S):
        time.sleep(RUN_S)
    return instance_id


def _stop(customer: Customer, instance_id: str, console: Console) -> None:
    """Stop it, wait until its pods are gone, end it.

    Early in a second: the stop that Ondol accepts and the deletion that the cluster sees, a tenth of a second later, then fall into
    the same one, and the pods' own times give exactly the invoiced seconds.
    """
    time.sleep(1.05 - time.time() % 1)
    customer.act(instance_id, "stop")
    with step("Instance: stopped, pods gone", expected_s=2) as shown:
        customer.wait_for_state(instance_id, "stopped", timeout_s=40, tell=shown.say)
    customer.act(instance_id, "end")
    for interval in customer.get(f"/instances/{instance_id}/usage")["data"]:
        console.print(f"  metered  {interval['started_at']} – {interval['ended_at']}, {interval['devices']} devices")


def _close_month(world: "World") -> str:
    """Close this month for the bank, at an instant in the next one."""
    from billing.month_close import close_month  # noqa: PLC0415 - Django is set up only now
    from billing.rating import month_bounds, month_of  # noqa: PLC0415
    from marketplace.kernel import ids  # noqa: PLC0415
    from marketplace.kernel.actors import system_actor  # noqa: PLC0415

    month = month_of(datetime.now(UTC))
    _start, following = month_bounds(month)
    invoices = close_month(
        actor=system_actor("demo"), month=month, now=following + timedelta(hours=9), tenant_ids=[world.bank.tenant.id]
    )
    if len(invoices) != 1:
        message = f"one invoice was expected, {len(invoices)} were issued"
        raise StoryFailed(message)
    return ids.format_id(prefix="inv", value=invoices[0].id)


def _tell_invoice(invoice: dict[str, Any], pdf: bytes, console: Console) -> None:
    for line in invoice["lines"]:
        console.print(
            f"  {line['description']}: {line['device_seconds']} device-seconds x ₩{line['price_per_device_hour']}/h"
            f" = ₩{line['supply_value']}",
            markup=False,
        )
    if not pdf.startswith(b"%PDF-"):
        message = "the invoice's document is not a PDF"
        raise StoryFailed(message)
    console.print(
        f"[green]✓[/] Invoice {invoice['number']}: supply ₩{invoice['supply_value']} + VAT ₩{invoice['vat']}"
        f" = ₩{invoice['total']} (PDF, {len(pdf) // 1024} KiB)"
    )


def _check_against_pods(invoice: dict[str, Any], recorders: list[Recorder], console: Console) -> None:
    """Recompute seconds and won from the API servers' pod objects alone."""
    usages = recompute(record for recorder in recorders for record in list(recorder.records.values()))
    comparisons = compare(lines=invoice["lines"], usages=usages)
    for item in comparisons:
        console.print(
            f"[green]✓[/] Recomputed from pods: {item.recomputed_device_seconds} device-seconds, ₩{item.recomputed_won};"
            f" invoiced {item.invoiced_device_seconds}, ₩{item.invoiced_won}"
        )
        if not item.agrees or item.recomputed_device_seconds == 0:
            message = f"the invoice does not agree with the pods: {item}"
            raise StoryFailed(message)
    if not comparisons:
        message = "the invoice has no lines to compare"
        raise StoryFailed(message)
