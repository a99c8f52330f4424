"""The nodes of a gang belong together: in one topology group (a fabric, a rack) if one can hold it, else in few. Pure."""

from collections import defaultdict
from collections.abc import Sequence

from marketplace.scheduling.stock import Cell


def pick_together(cells: Sequence[Cell], *, nodes: int) -> list[Cell]:
    """So many of the cells, which come best first; all of one group where that is possible; empty when there are too few.

    Of several groups that could hold all, the one with the fewest cells to spare, so that the larger stay whole for larger gangs.
    A node whose group nobody knows is the last resort.
    """
    if len(cells) < nodes:
        return []
    groups: defaultdict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[cell.stock.topology].append(cell)
    unknown = groups.pop("", [])
    able = [(len(group), name) for name, group in groups.items() if len(group) >= nodes]
    if able:
        return groups[min(able)[1]][:nodes]
    picked: list[Cell] = []
    for _size, name in sorted((-len(group), name) for name, group in groups.items()):
        picked.extend(groups[name][: nodes - len(picked)])
    return [*picked, *unknown[: nodes - len(picked)]]
