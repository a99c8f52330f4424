# What each rule of ondol.yaml catches (ruleid) and lets pass (ok). Read by `semgrep --test`; never imported.
from datetime import timedelta

import httpx
from django.core.cache import cache
from django.db import models, transaction

from clusters.kube import pods
from marketplace.kernel import clock
from marketplace.kernel.actors import as_actor


def stop(instance, rows):
    # ruleid: state-is-assigned-by-move
    instance.state = "stopped"
    # ruleid: state-is-assigned-by-move
    rows.filter(id=1).update(state="stopped", reason="x")
    # ruleid: state-is-assigned-by-move
    rows.bulk_update(rows, ["reason", "state"])
    # ok: state-is-assigned-by-move
    rows.update(goal="stop")
    # ok: state-is-assigned-by-move
    return instance.state == "stopped"


# ruleid: move-lives-in-instances
def _assign(instance, to):
    # ok: state-is-assigned-by-move
    instance.state = to


# ok: move-lives-in-instances
def move(instance, to):
    return instance, to


def post(rows):
    # ruleid: ledger-has-one-writer, query-goes-through-access, tenant-rows-are-read-by-their-app
    LedgerEntry.objects.create(amount_won=1)
    # ruleid: ledger-has-one-writer, query-goes-through-access, tenant-rows-are-read-by-their-app
    LedgerTransaction.objects.bulk_create(rows)
    # ruleid: ledger-has-one-writer, query-goes-through-access, tenant-rows-are-read-by-their-app
    LedgerEntry.objects.filter(id=1).update(amount_won=2)
    # ok: ledger-has-one-writer
    # ruleid: query-goes-through-access, tenant-rows-are-read-by-their-app
    return LedgerEntry.objects.filter(account=1)


def list_instances(request):
    # ruleid: query-goes-through-access, tenant-rows-are-read-by-their-app
    everything = Instance.objects.all()
    # ruleid: query-goes-through-access
    everything = Accelerator.objects.all()
    # ruleid: query-goes-through-access
    everything = Instance._base_manager.all()
    # ok: query-goes-through-access
    return queries.list_instances(actor=request.actor), everything


def tell(task, app):
    # ruleid: broker-is-spoken-to-by-the-wiring
    task.delay(1)
    # ruleid: broker-is-spoken-to-by-the-wiring
    task.apply_async(args=[1])
    # ruleid: broker-is-spoken-to-by-the-wiring
    app.send_task("clusters.reconcile")
    # ok: broker-is-spoken-to-by-the-wiring
    hint("workload.due", 1)


class Price(models.Model):
    # ruleid: no-floats-near-money
    won = models.FloatField()
    # ok: no-floats-near-money
    micros = models.BigIntegerField()

    # ruleid: no-logic-in-save
    def save(self, *args, **kwargs):
        super().save(*args, **kwargs)

    # ok: no-logic-in-save
    def describe(self):
        return str(self.micros)


def rate(seconds, price, folder, span):
    # ruleid: no-true-division-near-money
    hours = seconds / 3600
    # ruleid: no-floats-near-money
    vat = price * 0.1
    # ruleid: no-floats-near-money
    whole = float(price)
    # ok: no-true-division-near-money
    exact = price * seconds // 3600
    # ok: no-true-division-near-money
    path = folder / "invoice.typ"
    # ok: no-true-division-near-money
    length = span / timedelta(seconds=1)
    return hours, vat, whole, exact, path, length


def lock(rows):
    # ruleid: lock-without-key
    rows.select_for_update().get(id=1)
    # ruleid: lock-without-key
    rows.select_for_update(skip_locked=True).get(id=1)
    # ok: lock-without-key
    rows.select_for_update(no_key=True, skip_locked=True).get(id=1)


def write(actor):
    # ruleid: as-actor-opens-transactions
    with transaction.atomic():
        pass
    # ok: as-actor-opens-transactions
    with as_actor(actor):
        pass


# ruleid: as-actor-opens-transactions
@transaction.atomic
def write_decorated():
    pass


def call(actor, row):
    with as_actor(actor):
        # ruleid: no-network-in-a-transaction
        httpx.get("https://example.org", timeout=1)
        # ruleid: no-network-in-a-transaction
        pods.delete(row)
        # ok: no-network-in-a-transaction
        row.refresh_from_db()
    # ok: no-network-in-a-transaction
    pods.delete(row)


def due(row):
    # ruleid: clock-is-read-by-faces-and-tasks
    late = row.due_at < clock.now()
    # ok: clock-is-read-by-faces-and-tasks
    return late, clock.floor_to_second(row.due_at)


def remember(tenant_id):
    # ruleid: cached-key-names-its-tenant
    cache.get("catalogue")
    # ok: cached-key-names-its-tenant
    cache.get(catalogue_key(tenant_id=tenant_id))
