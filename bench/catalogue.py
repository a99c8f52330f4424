"""The catalogue with availability over HTTP: 1,000 nodes, 200 offers, open loop. Goal: p99 below 100 ms.

`python -m bench.catalogue` needs PostgreSQL and Valkey alone. The market: 20 sites with 10 accelerators each, five nodes of eight
devices per offer. On half of the offers every device is in use, a tenth of the nodes is kept for one organization, fifty requests
wait. One web process as it is deployed serves `GET /api/v1/offers?project=…` for sizes 1, 2, 4 and 8, each tenth call with a driver
range. The outlook is computed every five seconds in another process, as a worker would, and clusters answer meanwhile.
"""

import argparse
import http.client
import itertools
import json
import os
import secrets
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, Final

from bench.figures import Figure, cpu_s, percentile
from devstack import paths
from devstack.child import Child
from devstack.in_process import set_up_django
from devstack.postgres import Login
from devstack.processes import http_status, inherited_environment
from devstack.stack import Stack

SITES: Final = 20
ACCELERATORS: Final = 10
NODES_PER_OFFER: Final = 5
WAITING: Final = 50
LOAD_PER_S: Final = 10
LOAD_S: Final = 60
CLIENTS: Final = 16
GOAL_MS: Final = 100
TURN_S: Final = 5.0
DATABASE: Final = "catalogue"
SIZES: Final = (1, 2, 4, 8)


def bench_catalogue() -> list[Figure]:
    """In a process of its own, since this one may be Django on another database."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.catalogue", "--json"], check=True, capture_output=True, cwd=paths.REPOSITORY
    )
    return [Figure(**row) for row in json.loads(done.stdout.splitlines()[-1])]


def main() -> int:
    """Build, load, print."""
    parser = argparse.ArgumentParser(prog="bench.catalogue")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rate", type=int, default=LOAD_PER_S)
    parser.add_argument("--seconds", type=int, default=LOAD_S)
    parser.add_argument("--keep", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.keep:
        _keep_fresh()
    installation_id = uuid.uuid4()
    with Stack() as stack:
        stack.start(clusters=[])
        stack.create_database(name=DATABASE)
        set_up_django(stack.environment(database=DATABASE, login=Login.STAFF, installation_id=installation_id))
        project, api_key = _build()
        keeper = _start(
            stack, installation_id=installation_id, login=Login.STAFF, name="catalogue-keeper",
            command=["-m", "bench.catalogue", "--keep"],
        )  # fmt: skip
        port = paths.find_free_port()
        granian = [
            "--interface=wsgi",
            "--host=127.0.0.1",
            f"--port={port}",
            "--workers=1",
            "--blocking-threads=8",
            "--no-ws",
        ]
        web = ["-m", "granian", *granian, "--no-access-log", "marketplace.config.wsgi:application"]
        server = _start(stack, installation_id=installation_id, login=Login.WEB, name="catalogue-web", command=web)
        server.wait_ready(is_ready=lambda: http_status(port=port, path="/healthz") == 200, timeout_s=60)
        figures = _load(port, project=project, api_key=api_key, rate=given.rate, seconds=given.seconds)
        for child in (server, keeper):
            child.stop(grace_s=5)
    rows = [figure.as_json() for figure in figures]
    sys.stdout.write(
        (json.dumps(rows) if given.json else "\n".join(" ".join(map(str, f.row())) for f in figures)) + "\n"
    )
    return 0


def _start(stack: Stack, *, installation_id: uuid.UUID, login: Login, name: str, command: list[str]) -> Child:
    environment = stack.environment(database=DATABASE, login=login, installation_id=installation_id)
    child = Child(
        name=name,
        command=[sys.executable, *command],
        environment={**inherited_environment(), **environment, "ONDOL_LOG_LEVEL": "WARNING"},
        log=stack.logs / f"{name}.log",
        reaper=stack.reaper,
        directory=paths.REPOSITORY,
    )
    child.start()
    return child


def _load(port: int, *, project: str, api_key: str, rate: int, seconds: int) -> list[Figure]:
    """Each call has its planned instant; what a call waits for its turn counts."""
    began = cpu_s()
    latencies: list[float] = []
    bands: dict[str, int] = {}
    local = threading.local()
    start = time.perf_counter() + 1.0

    def call(index: int, planned: float) -> None:
        time.sleep(max(0.0, planned - time.perf_counter()))
        if not hasattr(local, "connection"):
            local.connection = http.client.HTTPConnection("127.0.0.1", port)
        driver = "&driver=%3E%3D580" if index % 10 == 0 else ""
        path = f"/api/v1/offers?project={project}&devices={SIZES[index % len(SIZES)]}{driver}"
        local.connection.request("GET", path, headers={"Authorization": f"Bearer {api_key}"})
        answer = local.connection.getresponse()
        body = answer.read()
        took = (time.perf_counter() - planned) * 1_000
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {body[:300]!r}")
        found = json.loads(body)["data"]
        if len(found) != SITES * ACCELERATORS:
            raise RuntimeError(f"{len(found)} offers")
        if planned >= start:
            latencies.append(took)
            for offer in found:
                bands[offer["availability"]] = bands.get(offer["availability"], 0) + 1

    with ThreadPoolExecutor(max_workers=CLIENTS) as pool:
        list(pool.map(lambda index: call(index, 0.0), range(CLIENTS)))
        start = time.perf_counter() + 1.0
        planned = [start + index / rate for index in range(rate * seconds)]
        list(pool.map(call, itertools.count(), planned))
    told = ", ".join(f"{band} {number * 100 // sum(bands.values())} %" for band, number in sorted(bands.items()))
    note = f"open loop, {rate}/s, {len(latencies)} calls; {told}"
    return [
        Figure(
            code="catalogue", what=f"catalogue with availability, 1,000 nodes, 200 offers, {name}", unit="ms",
            ours=percentile(latencies, share), baseline=None, ratio=None, spread=None,
            goal=f"< {GOAL_MS} ms" if share > 0.9 else "",
            meets_goal=percentile(latencies, share) < GOAL_MS if share > 0.9 else None, cpu_s=cpu_s() - began, note=note,
        )
        for name, share in (("p50", 0.5), ("p99", 0.99))
    ]  # fmt: skip


def _keep_fresh() -> None:
    """What watcher and worker do meanwhile, until this process is ended."""
    set_up_django(dict(os.environ))
    from marketplace.journeys.outlook import look_ahead  # noqa: PLC0415 - Django is set up only now
    from marketplace.kernel import clock  # noqa: PLC0415
    from tests.market import see_clusters  # noqa: PLC0415

    while True:
        see_clusters(now=clock.now())
        look_ahead(now=clock.now())
        time.sleep(TURN_S)


def _build() -> tuple[str, str]:
    from django.db import connection  # noqa: PLC0415 - Django is set up only now

    from marketplace.kernel import clock, ids  # noqa: PLC0415
    from marketplace.kernel.actors import as_actor  # noqa: PLC0415
    from marketplace.tenants.api_keys import issue_api_key  # noqa: PLC0415
    from marketplace.tenants.permissions import PERMISSIONS  # noqa: PLC0415
    from tests.market import STAFF, add_renter, build_market  # noqa: PLC0415

    now = clock.now()
    since = now - timedelta(hours=2)
    build_market(now=since)
    asker = add_renter(name="묻는 기관", data_classes=("open",), now=since)
    others = [add_renter(name=f"기관 {number}", data_classes=("open",), quota=None, now=since) for number in range(20)]
    with as_actor(STAFF):
        offers = _add_offers(since)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE inventory_offer SET status = 'retired' WHERE code = 'pangyo-h200'")
        _fill(offers, others, since)
        issued = issue_api_key(actor=STAFF, project=asker.project, name="bench", scopes=PERMISSIONS, now=now)
    return ids.format_id(prefix="prj", value=asker.project.id), issued.secret


def _add_offers(now: Any) -> list[Any]:
    """Sites, clusters, nodes and priced offers."""
    from billing.prices import publish_price  # noqa: PLC0415
    from marketplace.inventory.models import Accelerator, Node, NodeStock, Provider  # noqa: PLC0415
    from marketplace.inventory.operations import create_offer, define_accelerator, define_site  # noqa: PLC0415
    from marketplace.inventory.stock import register_cluster_row  # noqa: PLC0415
    from marketplace.kernel import ids  # noqa: PLC0415
    from tests.market import STAFF  # noqa: PLC0415

    provider = Provider.objects.get(code="hanbit")
    model = Accelerator.objects.get(code="nvidia-h200")
    fields = {name: value for name, value in vars(model).items() if name not in ("id", "code") and name[0] != "_"}
    accelerators = [
        define_accelerator(actor=STAFF, code=f"model-{number}", fields={**fields, "model": f"Model {number}"}, now=now)
        for number in range(ACCELERATORS)
    ]
    made = []
    for number in range(SITES):
        site = define_site(
            actor=STAFF, provider_id=provider.id, code=f"site-{number:02d}", name_ko=f"센터 {number}",
            name_en=f"Site {number}", now=now,
        )  # fmt: skip
        cluster = register_cluster_row(
            site_id=site.id, name=f"cluster-{number:02d}", identity=ids.new_id(), version="v1.37.2", now=now
        )
        for accelerator in accelerators:
            offer = create_offer(
                actor=STAFF, code=f"{site.code}-{accelerator.code}", accelerator_id=accelerator.id, site_id=site.id,
                cpu_millis_per_device=16_000, memory_mib_per_device=100_000, devices_max=8, now=now,
            )  # fmt: skip
            publish_price(
                actor=STAFF, offer_id=offer.id, price_micros_per_device_hour=5_400_000_000, effective_from=now, now=now
            )
            nodes = Node.objects.bulk_create(
                Node(
                    cluster=cluster, name=f"{accelerator.code}-{index}", uid=secrets.token_hex(8), is_ready=True,
                    is_schedulable=True, driver_version="580.95.05" if index % 2 else "575.57.08", observed_at=now,
                    allocatable_cpu_millis=192_000, allocatable_memory_mib=2_000_000,
                )
                for index in range(NODES_PER_OFFER)
            )  # fmt: skip
            stock = NodeStock.objects.bulk_create(
                NodeStock(
                    node=node, accelerator=accelerator, capacity_devices=8, allocatable_devices=8, observed_at=now
                )
                for node in nodes
            )
            made.append((offer, stock))
    return made


def _fill(offers: list[Any], others: list[Any], now: Any) -> None:
    """Every second offer is full; on the others one or two devices of a node are in use; fifty requests wait."""
    from marketplace.instances.models import Allocation, Instance, InstanceTerm  # noqa: PLC0415
    from marketplace.inventory.models import Node, NodeStock, Seller  # noqa: PLC0415
    from marketplace.kernel import ids  # noqa: PLC0415

    seller = Seller.objects.get()
    tenants = itertools.cycle(others)

    def rent(offer: Any, devices: int, **changes: Any) -> tuple[Any, Any]:
        renter = next(tenants)
        instance = Instance.objects.create(
            tenant=renter.tenant, project=renter.project, name=f"i-{secrets.token_hex(4)}", devices=devices, image="a",
            offer_ids=[offer.id], state_changed_at=now, queued_at=now, created_by_name="kim", created_at=now, **changes,
        )  # fmt: skip
        term = InstanceTerm.objects.create(
            tenant_id=renter.tenant.id, instance=instance, offer=offer, seller=seller, selling_mode="brokered",
            price_version_id=ids.new_id(), price_micros_per_device_hour=5_400_000_000, agreed_at=now,
        )  # fmt: skip
        return instance, term

    for index, (offer, stock) in enumerate(offers):
        for place, row in enumerate(stock):
            devices = 8 if index % 2 == 0 else (place % 3)
            if not devices:
                continue
            instance, term = rent(
                offer, devices, state="running", started_at=now, attempt=1, max_duration_s=14_400 + 600 * (index % 30)
            )
            is_dedicated = index % 2 == 1 and place == 1
            Allocation.objects.create(
                tenant_id=instance.tenant_id, instance=instance, attempt=1, stock=row, term=term, devices=devices,
                cpu_millis=16_000 * devices, memory_mib=100_000 * devices, allocated_at=now, is_node_dedicated=is_dedicated,
            )  # fmt: skip
            NodeStock.objects.filter(id=row.id).update(allocated_devices=devices)
            Node.objects.filter(id=row.node_id).update(
                allocated_cpu_millis=16_000 * devices, allocated_memory_mib=100_000 * devices
            )
    for index in range(WAITING):
        rent(offers[index * 2][0], 8, state="queued", max_duration_s=3_600)


if __name__ == "__main__":
    sys.exit(main())
