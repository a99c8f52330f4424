"""Prices as operators read them: what is priced, for whom, at which stage, how much dearer."""

from collections.abc import Mapping
from uuid import UUID

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from billing.models import PriceBookEntry, PriceVersion
from billing.price_books.reading import Stage
from billing.prices import to_agreed
from billing.texts import describe_conditions, describe_percent, describe_price, group
from marketplace.console.views.prices import describe_stages
from marketplace.kernel.money import won_text_from_micros
from marketplace.tenants.models import Sector

register = template.Library()

_TONES = {Stage.ACTIVE: "good", Stage.SCHEDULED: "info", Stage.REVIEW: "warning"}


@register.simple_tag
def price_stage(stage: Stage) -> SafeString:
    """A word in a tag."""
    return format_html('<span class="tag {}">{}</span>', _TONES.get(stage, ""), describe_stages()[stage])


@register.simple_tag
def priced_thing(row: PriceVersion | PriceBookEntry) -> str:
    """An offer's code, or a site's storage."""
    if row.offer is not None:
        return row.offer.code
    return _("Storage %(site)s") % {"site": row.site.code if row.site else ""}


@register.simple_tag
def version_text(row: PriceVersion) -> str:
    """`₩5,400 per device and hour`."""
    return describe_price(shape=row.shape, unit=row.unit, price_micros=row.price_micros)


@register.simple_tag
def won_text(micros: int) -> str:
    """`₩0.1`, exactly."""
    return f"₩{group(won_text_from_micros(micros))}"


@register.simple_tag
def version_conditions(row: PriceVersion) -> str:
    """Minimums and the price for kept devices, as far as there are any."""
    return describe_conditions(to_agreed(row, id_=row.id))


@register.simple_tag
def audience_text(row: PriceBookEntry, names: Mapping[UUID, str]) -> str:
    """An organization's name, a sector, or everyone."""
    if row.tenant_id is not None:
        return names.get(row.tenant_id, "")
    return str(Sector(row.sector).label) if row.sector else _("Everyone")


@register.simple_tag
def change_text(basis_points: int | None) -> str:
    """`+12.5%`; a dash where there is nothing to compare with."""
    if basis_points is None:
        return "–"
    return f"{'+' if basis_points > 0 else ''}{describe_percent(basis_points)}"


@register.simple_tag
def discount_text(basis_points: int) -> str:
    """`12.5%`."""
    return describe_percent(basis_points)
