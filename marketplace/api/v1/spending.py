"""Credit and budgets."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.budgets import BudgetState, close_budget, list_budgets, read_budget_states, set_budget
from billing.credit.reading import list_credit, list_movements
from billing.credit.state import CreditState
from billing.models import Budget, BudgetPeriod, CreditMovement, OnLimit
from marketplace.api.pagination import PARAMETERS, paginate_read, whole
from marketplace.api.parsing import (
    BoundedListField,
    PublicIdField,
    StrictInteger,
    StrictSerializer,
    check_query,
    parse_body,
    path_id,
)
from marketplace.api.rendering import instant, public
from marketplace.api.schema import problems
from marketplace.api.views import ResourceView
from marketplace.kernel import clock
from marketplace.kernel.actors import Actor
from marketplace.kernel.idempotency import Answer
from marketplace.kernel.money import SECONDS_PER_HOUR, won_from_numerator


class WholeWonField(serializers.CharField):
    """Won as a decimal string without fraction → int."""

    default_error_messages = {"invalid": _("Whole won as a string of digits, more than 0.")}

    def to_internal_value(self, data: Any) -> Any:
        """Whole won, more than 0."""
        if not (isinstance(data, str) and data.isascii() and data.isdigit() and 0 < len(data) <= 15):
            self.fail("invalid")
        return int(data)


class BudgetBody(StrictSerializer):
    """A budget of a project, or without one of the whole organization."""

    project = PublicIdField(prefix="prj", required=False, allow_null=True)
    period = serializers.ChoiceField(choices=BudgetPeriod.choices)
    amount = WholeWonField()
    thresholds = BoundedListField(child=StrictInteger(min_value=1, max_value=1_000), max_length=5, required=False)
    on_limit = serializers.ChoiceField(choices=OnLimit.choices)


class CreditView(ResourceView):
    """What is paid ahead."""

    @extend_schema(
        operation_id="list_credit",
        summary="Credit with each seller: balance, what is left now, and how long it lasts; VAT apart",
        responses=problems(dict),
    )
    def get(self, request: Request) -> Response:
        """The one that ends first, first."""
        check_query(request, ())
        return self.reading(
            request,
            "credit.read",
            lambda actor: whole([render_credit(state) for state in list_credit(actor=actor, now=clock.now())]),
        )


class CreditMovementsView(ResourceView):
    """Why credit became more or less."""

    @extend_schema(
        operation_id="list_credit_movements",
        summary="List an account's movements, newest first, with the balance after each",
        parameters=[OpenApiParameter("limit", int), OpenApiParameter("cursor", str)],
        responses=problems(dict),
    )
    def get(self, request: Request, account_id: str) -> Response:
        """One page."""
        check_query(request, PARAMETERS)

        def read(actor: Actor) -> dict[str, Any]:
            rows = list_movements(actor=actor, account_id=path_id("crd", account_id))

            def page(*, before: Any, limit: int) -> list[Any]:
                # The balance is summed over every movement, so the page is cut after it.
                return [row for row in rows if before is None or row.id < before][:limit]

            return paginate_read(request, page, _movement, identify=lambda row: row.id)

        return self.reading(request, "credit.read", read)


class BudgetsView(ResourceView):
    """Limits on money."""

    @extend_schema(operation_id="list_budgets", summary="List budgets with what is spent", responses=problems(dict))
    def get(self, request: Request) -> Response:
        """Each with its percent and when the next line is crossed at the present rate."""
        check_query(request, ())

        def read(actor: Actor) -> dict[str, Any]:
            budgets = list(list_budgets(actor=actor))
            states = read_budget_states(tenant_id=actor.tenant_scope, budgets=budgets, now=clock.now())
            return whole([render_budget(state) for state in states])

        return self.reading(request, "budgets.read", read)

    @extend_schema(
        operation_id="set_budget",
        summary="Set a budget; one of the same scope and period is changed",
        request=BudgetBody,
        responses=problems(dict, status=201),
    )
    def post(self, request: Request) -> Response:
        """What was spent already counts."""
        check_query(request, ())
        body = parse_body(request, BudgetBody)

        def write(actor: Actor) -> Answer:
            budget = set_budget(
                actor=actor,
                tenant_id=actor.tenant_scope,
                project_id=body.get("project"),
                period=BudgetPeriod(body["period"]),
                amount_won=body["amount"],
                thresholds=body.get("thresholds", [50, 80]),
                on_limit=OnLimit(body["on_limit"]),
                now=clock.now(),
            )
            return Answer(status=201, body=_read_one(actor, budget), headers={})

        return self.writing(request, write)


class BudgetView(ResourceView):
    """One budget."""

    @extend_schema(operation_id="close_budget", summary="Take a budget away", responses=problems(dict))
    def delete(self, request: Request, budget_id: str) -> Response:
        """Nothing counts against it any more."""
        check_query(request, ())

        def write(actor: Actor) -> Answer:
            budget = close_budget(actor=actor, budget_id=path_id("bud", budget_id), now=clock.now())
            return Answer(status=200, body=_read_one(actor, budget), headers={})

        return self.writing(request, write)


def _read_one(actor: Actor, budget: Budget) -> dict[str, Any]:
    (state,) = read_budget_states(tenant_id=actor.tenant_scope, budgets=[budget], now=clock.now())
    return render_budget(state)


def render_credit(state: CreditState) -> dict[str, Any]:
    """An account at an instant; whole won, without VAT."""
    account, runway = state.account, state.runway
    return {
        "id": public("crd", account.id),
        "billing_profile": public("bil", account.billing_profile_id),
        "seller": account.seller.legal_name,
        "currency": "KRW",
        "balance": str(state.balance_won),
        "unsettled": str(state.unsettled_won),
        "remaining": str(state.remaining_won),
        "held": str(won_from_numerator(state.held_numerator)),
        "per_hour": str(won_from_numerator(state.numerator_per_second * SECONDS_PER_HOUR)),
        "stage": runway.stage.value,
        "exhausts_at": instant(runway.exhausts_at),
        "lots": [
            {
                "id": public("lot", lot.lot_id),
                "remaining": str(lot.remaining_won),
                "expires_at": instant(lot.expires_at),
            }
            for lot in state.lots
        ],
        "as_of": instant(state.as_of),
    }


def render_budget(state: BudgetState) -> dict[str, Any]:
    """A budget at an instant; whole won, without VAT."""
    budget = state.budget
    return {
        "id": public("bud", budget.id),
        "project": public("prj", budget.project_id) if budget.project_id else None,
        "period": budget.period,
        "amount": str(budget.amount_won),
        "spent": str(state.spent_won),
        "held": str(won_from_numerator(state.held_numerator)),
        "per_hour": str(won_from_numerator(state.numerator_per_second * SECONDS_PER_HOUR)),
        "currency": "KRW",
        "percent": state.view.percent,
        "thresholds": budget.thresholds,
        "on_limit": budget.on_limit,
        "is_reached": state.view.is_reached,
        "next_crossing_at": instant(state.view.next_crossing_at),
        "closed_at": instant(budget.closed_at),
        "as_of": instant(state.as_of),
    }


def _movement(row: CreditMovement) -> dict[str, Any]:
    return {
        "id": public("mov", row.id),
        "kind": row.kind,
        "amount": str(row.amount_won),
        "balance": str(getattr(row, "balance_won", "")),
        "currency": "KRW",
        "occurred_at": instant(row.occurred_at),
    }
