"""Nodes that one organization has to itself: some data classes ask for it, and then it holds against everybody. Pure."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final
from uuid import UUID

SOMEBODY_ELSE: Final = UUID(int=0)
"""Stands for every other organization; none has the nil UUID."""


class Dedication:
    """Who has devices on which node, and for whom alone a node is kept, as long as a pass looks at it.

    A dedicated request takes only nodes on which nobody else has devices; nobody else takes a node while one is live there.
    """

    def __init__(
        self, *, tenants: Iterable[tuple[UUID, UUID]] = (), dedicated: Iterable[tuple[UUID, UUID]] = ()
    ) -> None:
        """Index pairs of (node, tenant): with devices there, and with a dedicated instance there."""
        self._tenants: defaultdict[UUID, set[UUID]] = defaultdict(set)
        for node_id, tenant_id in tenants:
            self._tenants[node_id].add(tenant_id)
        self._dedicated: dict[UUID, UUID] = dict(dedicated)

    @property
    def is_empty(self) -> bool:
        """Whether no node is kept for anybody, so that only a dedicated request needs to look."""
        return not self._dedicated

    def bars(self, *, node_id: UUID, tenant_id: UUID | None, needs_dedicated_node: bool) -> bool:
        """Whether the tenant may not have devices on the node now."""
        owner = self._dedicated.get(node_id)
        if owner is not None and owner != tenant_id:
            return True
        return needs_dedicated_node and bool(self._tenants.get(node_id, set()) - {tenant_id})

    @classmethod
    def of_others(cls, *, occupied: Iterable[UUID], kept: Iterable[UUID]) -> "Dedication":
        """As somebody sees it who may not know who the others are: nodes on which others are, and those kept for one of them."""
        return cls(
            tenants=[(node_id, SOMEBODY_ELSE) for node_id in occupied],
            dedicated=[(node_id, SOMEBODY_ELSE) for node_id in kept],
        )

    def note(self, *, node_id: UUID, tenant_id: UUID | None, needs_dedicated_node: bool) -> None:
        """Devices were promised there."""
        if tenant_id is None:
            return
        self._tenants[node_id].add(tenant_id)
        if needs_dedicated_node:
            self._dedicated[node_id] = tenant_id

    def copy(self) -> "Dedication":
        """An independent one, for looking ahead."""
        pairs = [(node_id, tenant_id) for node_id, found in self._tenants.items() for tenant_id in found]
        return Dedication(tenants=pairs, dedicated=self._dedicated.items())
