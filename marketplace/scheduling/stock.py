"""What is free, indexed for placing: pools of nodes, each pool's nodes grouped by what they have left.

A thousand nodes of a pool have a few dozen different remainders, so a request is compared with remainders, not with nodes.
`StockView` is kept true while a pass places; it is plain data, and the database's conditional update has the last word.
"""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from marketplace.scheduling.dedication import Dedication


class Rejection(StrEnum):
    """Why a candidate was not taken; `site_not_permitted` carries the sovereignty rules' own refusals beside it."""

    SITE_NOT_PERMITTED = "site_not_permitted"
    NO_TERMS = "no_terms_agreed"
    PRICE_TOO_HIGH = "price_too_high"
    CLUSTER_SILENT = "cluster_silent"
    CLUSTER_DRAINING = "cluster_draining"
    NODE_NOT_READY = "node_not_ready"
    NODE_CORDONED = "node_cordoned"
    QUARANTINED = "quarantined"
    UNDER_MAINTENANCE = "under_maintenance"
    OTHER_VERSION = "other_version"
    OTHER_TENANT = "node_has_another_tenant"
    REQUEST_TOO_LARGE = "request_larger_than_node"
    NOT_ENOUGH_DEVICES = "not_enough_devices"
    NOT_ENOUGH_CPU = "not_enough_cpu"
    NOT_ENOUGH_MEMORY = "not_enough_memory"
    NOT_ENOUGH_NODES = "not_enough_nodes"
    RESERVED = "reserved_for_larger_request"
    NODE_NOT_ALONE = "node_not_for_this_organization_alone"
    SECTOR_SHARE_EXHAUSTED = "sector_share_exhausted"
    PLATFORM_SHARE_EXHAUSTED = "platform_share_exhausted"
    WORSE_FIT = "worse_fit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """Devices of one accelerator on one node, with the offer that sells them there.

    Attributes:
        sellable_devices: What works and is not in quarantine − foreign requests; None = all of the capacity.
        free_devices: Sellable − allocated; never negative.
        capacity_cpu_millis, capacity_memory_mib: What the node has for pods, whatever is free; None = not known.
        topology: The group of nodes that a fast fabric joins, as the node's labels name it; "" = unknown.
        is_cluster_fresh: Whether the cluster answered recently enough for its stock to be sold.
        is_one_tenant: Instances of two tenants may not be on the node at once; `holder_id` is whose are there now.
    """

    stock_id: UUID
    node_id: UUID
    node: str
    cluster_id: UUID
    cluster: str
    site_id: UUID
    site: str
    accelerator: str
    offer_id: UUID
    capacity_devices: int
    free_devices: int
    free_cpu_millis: int
    free_memory_mib: int
    capacity_cpu_millis: int | None = None
    capacity_memory_mib: int | None = None
    is_cluster_fresh: bool = True
    is_cluster_active: bool = True
    is_node_ready: bool = True
    is_node_schedulable: bool = True
    topology: str = ""
    is_quarantined: bool = False
    is_under_maintenance: bool = False
    sellable_devices: int | None = None
    driver_version: str = ""
    firmware_version: str = ""
    runtime_version: str = ""
    is_one_tenant: bool = False
    holder_id: UUID | None = None


class Remainder(NamedTuple):
    """What a node has left for one accelerator."""

    devices: int
    cpu_millis: int
    memory_mib: int

    def holds(self, need: "Remainder") -> bool:
        """Whether `need` fits."""
        return self[0] >= need[0] and self[1] >= need[1] and self[2] >= need[2]

    def minus(self, need: "Remainder") -> "Remainder":
        """What is left after `need`."""
        return Remainder(self[0] - need[0], self[1] - need[1], self[2] - need[2])

    def plus(self, other: "Remainder") -> "Remainder":
        """What is left after `other` came back."""
        return Remainder(self[0] + other[0], self[1] + other[1], self[2] + other[2])


@dataclass(slots=True, kw_only=True, eq=False)
class Cell:
    """One accelerator's devices on one node, as the view knows them now.

    Attributes:
        obstacle: Why nothing is placed there whatever is free; None when healthy.
        hold: A waiting request's claim on what becomes free here; None for most.
        holder_id: Where a node has one tenant at a time: whose it is now.
    """

    stock: Stock
    pool: "Pool"
    free: Remainder
    obstacle: Rejection | None
    hold: "Hold | None" = None
    holder_id: UUID | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nobody has anything here."""
        sellable = self.stock.sellable_devices
        return self.free.devices >= (self.stock.capacity_devices if sellable is None else sellable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Devices kept for a request that waits for more of them.

    Attributes:
        holder_id: The request's instance.
        starts_at_s: When it can start at the latest, in seconds of the pass's clock.
        spare: What may be used beyond that instant without delaying it.
    """

    holder_id: UUID
    starts_at_s: float
    spare: Remainder


@dataclass(slots=True, kw_only=True, eq=False)
class Pool:
    """The nodes of one cluster that carry an offer's accelerator.

    Attributes:
        by_remainder: Healthy cells without a hold: what is left → (node, cell), by node name.
        held: Healthy cells with a hold, by node name.
        unhealthy: The others, by obstacle.
        is_one_tenant: A node has one tenant at a time.
    """

    offer_id: UUID
    site_id: UUID
    site: str
    cluster_id: UUID
    accelerator: str
    capacity_max: int = 0
    has_topology: bool = False
    is_one_tenant: bool = False
    free_devices: int = 0
    by_remainder: dict[Remainder, list[tuple[str, UUID]]]
    held: dict[str, Cell]
    unhealthy: dict[Rejection, list[Cell]]
    cells: dict[UUID, Cell]


class StockView:
    """All stock on sale. Not thread-safe; one per pass."""

    def __init__(self, stocks: Iterable[Stock]) -> None:
        """Index the stock; the order of the input does not matter. Stock that two offers sell comes once for each."""
        self.pools: list[Pool] = []
        self.cells: defaultdict[UUID, list[Cell]] = defaultdict(list)
        self.dedication = Dedication()
        self._by_node: defaultdict[UUID, list[Cell]] = defaultdict(list)
        pools: dict[tuple[UUID, UUID, UUID], Pool] = {}
        for stock in stocks:
            key = (stock.offer_id, stock.site_id, stock.cluster_id)
            pool = pools.get(key)
            if pool is None:
                pool = pools[key] = Pool(
                    offer_id=stock.offer_id, site_id=stock.site_id, site=stock.site, cluster_id=stock.cluster_id,
                    accelerator=stock.accelerator, by_remainder={}, held={}, unhealthy={}, cells={},
                )  # fmt: skip
            self._add(pool, stock)
        self.pools = sorted(pools.values(), key=lambda pool: (pool.site, pool.accelerator, str(pool.offer_id)))
        self.by_offer: dict[UUID, list[Pool]] = {}
        for pool in self.pools:
            self.by_offer.setdefault(pool.offer_id, []).append(pool)

    def _add(self, pool: Pool, stock: Stock) -> None:
        cell = Cell(
            stock=stock,
            pool=pool,
            free=Remainder(stock.free_devices, stock.free_cpu_millis, stock.free_memory_mib),
            obstacle=_obstacle(stock),
            holder_id=stock.holder_id,
        )
        pool.cells[stock.stock_id] = cell
        self.cells[stock.stock_id].append(cell)
        pool.is_one_tenant = pool.is_one_tenant or stock.is_one_tenant
        pool.capacity_max = max(pool.capacity_max, stock.capacity_devices)
        pool.has_topology = pool.has_topology or bool(stock.topology)
        self._by_node[stock.node_id].append(cell)
        if cell.obstacle is not None:
            pool.unhealthy.setdefault(cell.obstacle, []).append(cell)
        else:
            _insert(cell)

    def narrowed(self, *, offer_id: UUID, dedication: Dedication | None = None) -> "StockView":
        """The pools of one offer alone, for asking about it; shares everything with this view, so nothing is taken through it.

        Args:
            dedication: Who has which node, as it concerns whoever asks; default what this view knows.
        """
        narrow = StockView(())
        narrow.pools = self.by_offer.get(offer_id, [])
        narrow.cells, narrow._by_node = self.cells, self._by_node
        narrow.dedication = self.dedication if dedication is None else dedication
        return narrow

    def take(
        self, stock_id: UUID, need: Remainder, *, ends_at_s: float | None = None, tenant_id: UUID | None = None
    ) -> None:
        """Devices were promised; other accelerators on the node share its processors and memory.

        Args:
            ends_at_s: When they come back for certain; a hold that begins no later has so much less to spare.
        """
        for cell in self.cells[stock_id]:
            if cell.stock.is_one_tenant:
                cell.holder_id = tenant_id
            hold = cell.hold
            if hold is not None and (ends_at_s is None or ends_at_s > hold.starts_at_s):
                cell.hold = replace(hold, spare=hold.spare.minus(need))
        self._change(stock_id, Remainder(-need.devices, -need.cpu_millis, -need.memory_mib))

    def give_back(self, stock_id: UUID, need: Remainder) -> None:
        """Devices came back; those of a node that was removed, or that no offer sells any more, make no room here."""
        if stock_id not in self.cells:
            return
        self._change(stock_id, need)
        for cell in self.cells[stock_id]:
            if cell.is_empty:
                cell.holder_id = None

    def _change(self, stock_id: UUID, delta: Remainder) -> None:
        for cell in self._by_node[self.cells[stock_id][0].stock.node_id]:
            own = delta if cell.stock.stock_id == stock_id else Remainder(0, delta.cpu_millis, delta.memory_mib)
            if cell.obstacle is not None:
                cell.free = cell.free.plus(own)
                continue
            _remove(cell)
            cell.free = cell.free.plus(own)
            _insert(cell)

    def set_hold(self, stock_id: UUID, hold: Hold | None) -> None:
        """Keep a cell for a waiting request, or let it go."""
        for cell in self.cells[stock_id]:
            if cell.obstacle is not None:
                cell.hold = hold
                continue
            _remove(cell)
            cell.hold = hold
            _insert(cell)

    def drop_holds(self) -> None:
        """Let every held cell go; a pass makes its holds anew."""
        for pool in self.pools:
            for cell in list(pool.held.values()):
                self.set_hold(cell.stock.stock_id, None)

    def copy(self) -> "StockView":
        """An independent view with the same remainders and without holds, for looking ahead."""
        copied = StockView(
            replace(
                cell.stock,
                free_devices=cell.free.devices,
                free_cpu_millis=cell.free.cpu_millis,
                free_memory_mib=cell.free.memory_mib,
                holder_id=cell.holder_id,
            )
            for cells in self.cells.values()
            for cell in cells
        )
        copied.dedication = self.dedication.copy()
        return copied

    def free_by_accelerator(self) -> Mapping[str, int]:
        """Free devices of healthy nodes."""
        found: defaultdict[str, int] = defaultdict(int)
        for pool in self.pools:
            found[pool.accelerator] += pool.free_devices
        return found


def _obstacle(stock: Stock) -> Rejection | None:
    checks = (
        (stock.is_cluster_active, Rejection.CLUSTER_DRAINING),
        (stock.is_cluster_fresh, Rejection.CLUSTER_SILENT),
        (not stock.is_under_maintenance, Rejection.UNDER_MAINTENANCE),
        (not stock.is_quarantined, Rejection.QUARANTINED),
        (stock.is_node_ready, Rejection.NODE_NOT_READY),
        (stock.is_node_schedulable, Rejection.NODE_CORDONED),
    )
    return next((rejection for is_fine, rejection in checks if not is_fine), None)


def _insert(cell: Cell) -> None:
    pool = cell.pool
    pool.free_devices += cell.free.devices
    if cell.hold is not None:
        pool.held[cell.stock.node] = cell
    else:
        insort(pool.by_remainder.setdefault(cell.free, []), (cell.stock.node, cell.stock.stock_id))


def _remove(cell: Cell) -> None:
    pool = cell.pool
    pool.free_devices -= cell.free.devices
    if cell.hold is not None:
        del pool.held[cell.stock.node]
        return
    group = pool.by_remainder[cell.free]
    del group[bisect_left(group, (cell.stock.node, cell.stock.stock_id))]
    if not group:
        del pool.by_remainder[cell.free]
