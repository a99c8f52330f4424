"""Instance tables."""

from marketplace.instances.models.allocation import Allocation
from marketplace.instances.models.instance import Instance, InstanceKind, InstanceTerm
from marketplace.instances.models.placement_decision import DecisionOutcome, PlacementDecision
from marketplace.instances.models.rank_run import RankRun
from marketplace.instances.models.run_sighting import RunSighting
from marketplace.instances.models.schedule import Schedule
from marketplace.instances.models.start_estimate import StartEstimate
from marketplace.instances.models.transition import Transition

__all__ = [
    "Allocation",
    "DecisionOutcome",
    "Instance",
    "InstanceKind",
    "InstanceTerm",
    "PlacementDecision",
    "RankRun",
    "RunSighting",
    "Schedule",
    "StartEstimate",
    "Transition",
]
