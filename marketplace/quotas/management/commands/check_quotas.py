"""Does every quota add up?"""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from marketplace.kernel import clock
from marketplace.kernel.actors import as_actor, system_actor
from marketplace.kernel.ids import format_id
from marketplace.quotas.operations import Drift, find_drift, list_tenants_with_quotas, tell_drift

CHECKER = system_actor("quota-check")


class Command(BaseCommand):
    """Recompute use from what holds quota and compare it with the counters; changes nothing but the alarm."""

    help = "Recompute the use of every quota; exits with 1 and names each that does not add up."

    def handle(self, *_arguments: Any, **_options: Any) -> None:
        """One transaction per tenant."""
        with as_actor(CHECKER):
            tenants = list_tenants_with_quotas()
        drifts: list[Drift] = []
        for tenant_id in tenants:
            with as_actor(CHECKER):
                drifts.extend(find_drift(tenant_id=tenant_id))
        with as_actor(CHECKER):
            tell_drift(drifts=drifts, now=clock.now())
        for drift in drifts:
            quota = format_id(prefix="quo", value=drift.quota_id)
            self.stdout.write(f"{quota}: counter {drift.used}, holds {drift.held}, expected {drift.expected}")
        self.stdout.write(f"{len(tenants)} organizations, {len(drifts)} quotas that do not add up")
        if drifts:
            sys.exit(1)
