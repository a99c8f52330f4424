"""R3: usage events accepted per second, validated and deduplicated, against a COPY of the same rows into the same table.

Ours is the whole of `POST /api/v1/usage-events` over one kept connection to a web process: check the key, parse the body, check
every event, look for known ones and promises of devices, write, audit, commit; a thousand events a batch, a commit each. The
baseline copies rows that were rendered before, text and all, batch by batch into the same table with its constraints and
indexes, one commit each, as the superuser, since COPY is refused under row-level security: what a program would do that trusts its
caller and knows every id. `python -m bench.usage_events` needs PostgreSQL alone.
"""

import http.client
import itertools
import sys
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
import psycopg

from bench.figures import Figure, cpu_s, interleave
from bench.renting import ratio_figure
from devstack import paths
from devstack.child import Child
from devstack.in_process import set_up_django
from devstack.postgres import Login
from devstack.processes import http_status, inherited_environment
from devstack.stack import Stack

BATCH: Final = 1_000
BATCHES: Final = 5
"""Batches a round measures."""
PAIRS: Final = 8
INSTANCES: Final = 50
START: Final = datetime(2026, 11, 1, tzinfo=UTC)
_COPY: Final = """
COPY billing_usageevent (id, provider_id, tenant_id, instance_id, allocation_id, rank, source, event_id, body_hash, type, meter,
    kind, reason, quantity, started_at, ended_at, provider_key_id, received_at) FROM STDIN
"""


def bench_usage_events(*, stack: Stack, environment: dict[str, str]) -> list[Figure]:
    """The figure; Django is set up for staff in the database `bench`, which is migrated.

    Args:
        environment: Of a web process on the same database.
    """
    began = cpu_s()
    port = paths.find_free_port()
    server = Child(
        name="bench-usage",
        command=[
            sys.executable, "-m", "granian", "--interface=wsgi", "--host=127.0.0.1", f"--port={port}", "--workers=1",
            "--blocking-threads=8", "--no-access-log", "marketplace.config.wsgi:application",
        ],
        environment={**inherited_environment(), **environment, "ONDOL_LOG_LEVEL": "WARNING"},
        log=stack.logs / "bench-usage.log",
        reaper=stack.reaper,
        directory=paths.REPOSITORY,
    )  # fmt: skip
    server.start()
    server.wait_ready(is_ready=lambda: http_status(port=port, path="/healthz") == 200, timeout_s=120)
    with stack.shared.access.admin_connection(database="bench") as superuser:
        site = _Site(superuser, port=port)
        left, right = interleave(ours=site.accept, baseline=site.copy, pairs=PAIRS)
    server.stop(grace_s=5)
    return [
        ratio_figure(
            code="R3", what=f"usage events per second, {BATCH:,} a batch, validated and deduplicated", unit="/s", left=left,
            right=right, goal=0.5, cpu=cpu_s() - began,
        )
    ]  # fmt: skip


class _Site:
    """A self-metering site with its promises, and both ways to write what it tells."""

    def __init__(self, superuser: "psycopg.Connection[tuple[Any, ...]]", *, port: int) -> None:
        """Promise devices, issue a key, and go each way once."""
        from marketplace.inventory.models import MeteredBy  # noqa: PLC0415 - Django is set up only now
        from marketplace.inventory.provider_keys import issue_provider_key, set_metered_by  # noqa: PLC0415
        from marketplace.kernel.actors import as_actor  # noqa: PLC0415
        from tests.market import STAFF  # noqa: PLC0415

        stock, self._promises = _promise()
        site = stock.node.cluster.site
        with as_actor(STAFF):
            set_metered_by(actor=STAFF, site_id=site.id, metered_by=MeteredBy.SITE, reason="bench", now=START)
            issued = issue_provider_key(
                actor=STAFF, provider_id=site.provider_id, name="bench", reason="bench", now=START
            )
        self._key = issued.key
        self._headers = {
            "Authorization": f"Bearer {issued.secret}",
            "Content-Type": "application/cloudevents-batch+json",
        }
        self._numbers = itertools.count()
        self._superuser = superuser
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        for _ in range(2):
            self.accept()
            self.copy()

    def _next(self) -> Iterator[tuple[uuid.UUID, uuid.UUID, uuid.UUID, datetime, str]]:
        """Tenant, instance, allocation, start and id of the next event; a minute each, instance by instance."""
        for number in itertools.islice(self._numbers, BATCH):
            tenant, instance, allocation = self._promises[number % INSTANCES]
            yield tenant, instance, allocation, START + timedelta(minutes=number // INSTANCES), f"e{number:09d}"

    def accept(self) -> float:
        """Ours: events per second over a round; the bodies are rendered before."""
        from marketplace.kernel import ids  # noqa: PLC0415

        bodies = [
            orjson.dumps(
                [
                    {
                        "specversion": "1.0", "type": "ondol.usage.reported.v1", "source": "//bench.example/meter-1",
                        "id": event_id, "subject": ids.format_id(prefix="ins", value=instance), "time": start.isoformat(),
                        "datacontenttype": "application/json",
                        "data": {
                            "meter": "device", "rank": 0, "quantity": 2, "started_at": start.isoformat(),
                            "ended_at": (start + timedelta(minutes=1)).isoformat(),
                        },
                    }
                    for _tenant, instance, _allocation, start, event_id in self._next()
                ]
            )
            for _ in range(BATCHES)
        ]  # fmt: skip
        began = time.perf_counter()
        for body in bodies:
            self._connection.request("POST", "/api/v1/usage-events", body, self._headers)
            response = self._connection.getresponse()
            answer = response.read()
            if response.status != 202 or orjson.loads(answer)["accepted"] != BATCH:
                raise RuntimeError(f"{response.status} {answer[:300]!r}")
        return BATCH * BATCHES / (time.perf_counter() - began)

    def copy(self) -> float:
        """The baseline: rows per second over a round; the text is rendered before."""
        texts = ["".join(self._lines()) for _ in range(BATCHES)]
        began = time.perf_counter()
        for text in texts:
            with self._superuser.transaction(), self._superuser.cursor() as cursor, cursor.copy(_COPY) as copy:
                copy.write(text)
        return BATCH * BATCHES / (time.perf_counter() - began)

    def _lines(self) -> Iterator[str]:
        from marketplace.kernel import ids  # noqa: PLC0415

        for tenant, instance, allocation, start, event_id in self._next():
            values: tuple[Any, ...] = (
                ids.new_id(), self._key.provider_id, tenant, instance, allocation, 0, "//bench.example/meter-1", event_id,
                "\\\\x" + "00" * 32, "reported", "device", "metered", "", 2, start.isoformat(),
                (start + timedelta(minutes=1)).isoformat(), self._key.id, start.isoformat(),
            )  # fmt: skip
            yield "\t".join(map(str, values)) + "\n"


def _promise() -> tuple[Any, list[tuple[uuid.UUID, uuid.UUID, uuid.UUID]]]:
    """Fifty instances with two devices each since before the first event: where, and tenant, instance, allocation."""
    from marketplace.instances.models import Allocation, Instance, InstanceTerm  # noqa: PLC0415
    from marketplace.inventory.models import MeteredBy, NodeStock, Offer, Seller  # noqa: PLC0415
    from marketplace.kernel import ids  # noqa: PLC0415
    from marketplace.kernel.actors import as_actor  # noqa: PLC0415
    from tests.market import STAFF, add_renter, build_market  # noqa: PLC0415

    since = START - timedelta(hours=1)
    with as_actor(STAFF):
        is_empty = not NodeStock.objects.exists()
    if is_empty:
        build_market(now=since)
    renter = add_renter(number="1208147521", name="벤치", quota=None, now=since)
    found = []
    with as_actor(STAFF):
        stock = NodeStock.objects.select_related("node__cluster__site").order_by("id")[0]
        offer, seller = Offer.objects.filter(site=stock.node.cluster.site)[0], Seller.objects.order_by("id")[0]
        for number in range(INSTANCES):
            instance = Instance.objects.create(
                tenant=renter.tenant, project=renter.project, name=f"i{number}", devices=2, image="a", state="ended",
                state_changed_at=since, queued_at=since, created_by_name="bench", created_at=since,
            )  # fmt: skip
            term = InstanceTerm.objects.create(
                tenant_id=renter.tenant.id, instance=instance, offer=offer, seller=seller, selling_mode="brokered",
                price_version_id=ids.new_id(), price_micros_per_device_hour=5_400_000_000, agreed_at=since,
            )  # fmt: skip
            allocation = Allocation.objects.create(
                tenant_id=renter.tenant.id, instance=instance, attempt=1, stock=stock, term=term, devices=2, cpu_millis=1,
                memory_mib=1, metered_by=MeteredBy.SITE, allocated_at=since,
            )  # fmt: skip
            found.append((renter.tenant.id, instance.id, allocation.id))
    return stock, found


def main() -> int:
    """Measure on a PostgreSQL of its own and print."""
    installation_id = uuid.uuid4()
    with Stack() as stack:
        stack.postgres.start()
        stack.create_template()
        stack.create_database(name="bench")
        set_up_django(stack.environment(database="bench", login=Login.STAFF, installation_id=installation_id))
        environment = stack.environment(database="bench", login=Login.WEB, installation_id=installation_id)
        for figure in bench_usage_events(stack=stack, environment=environment):
            sys.stdout.write("  ".join(figure.row()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
