"""What the organization has agreed beyond prices: commitments and discounts."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.agreements.reading import Agreements, list_own_agreements
from billing.models import Commitment, Discount
from billing.texts import describe_percent
from marketplace.api.parsing import check_query
from marketplace.api.rendering import instant, public
from marketplace.api.schema import problems
from marketplace.api.views import ResourceView
from marketplace.kernel import clock
from marketplace.kernel.money import CURRENCY, won_text_from_micros


class AgreementsView(ResourceView):
    """Agreements."""

    @extend_schema(
        operation_id="list_agreements",
        summary="Commitments and discounts, with what came of them",
        responses=problems(dict),
    )
    def get(self, request: Request) -> Response:
        """`fee` and `covered` are of this month, accounted up to the last midnight in Seoul; VAT apart."""
        check_query(request, ())
        return self.reading(
            request, "usage.read", lambda actor: _agreements(list_own_agreements(actor=actor, now=clock.now()))
        )


def _agreements(found: Agreements) -> dict[str, Any]:
    return {
        "currency": CURRENCY,
        "vat": "excluded",
        "commitments": [
            {
                **render_commitment(item.row),
                "fee": str(item.fee_won),
                "covered": str(item.covered_won),
                "used_percent": item.used_percent,
            }
            for item in found.commitments
        ],
        "discounts": [{**render_discount(item.row), "given": str(item.given_won)} for item in found.discounts],
    }


def render_commitment(row: Commitment) -> dict[str, Any]:
    """A commitment; the price is per unit and hour or month, by shape."""
    return {
        "id": public("com", row.id),
        "offer": public("off", row.offer_id),
        "devices": row.devices,
        "unit": row.unit,
        "unit_devices": row.unit_devices,
        "shape": row.shape,
        "price": won_text_from_micros(row.price_micros),
        "started_at": instant(row.started_at),
        "ended_at": instant(row.ended_at),
        "reference": row.reference or None,
    }


def render_discount(row: Discount) -> dict[str, Any]:
    """A discount on usage; both months are included."""
    return {
        "id": public("dsc", row.id),
        "offer": public("off", row.offer_id) if row.offer_id else None,
        "percent": describe_percent(row.basis_points).removesuffix("%"),
        "first_month": f"{row.first_month:%Y-%m}",
        "last_month": f"{row.last_month:%Y-%m}",
        "cap": None if row.cap_won is None else str(row.cap_won),
        "reference": row.reference or None,
    }
