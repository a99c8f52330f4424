"""Credit and budgets: what is left, how long it lasts, and what happens then."""

from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from billing.budgets import BudgetInvalid, close_budget, list_budgets, read_budget_states, set_budget
from billing.credit.reading import list_credit, list_movements
from billing.models import BudgetPeriod, OnLimit
from billing.payments.port import parse_won
from marketplace.kernel import clock, ids
from marketplace.kernel.actors import savepoint
from marketplace.kernel.errors import NotFound, OndolError
from marketplace.portal.page import Page, member_page

MOVEMENTS_SHOWN_MAX = 50


@require_GET
@member_page("credit")
def credit(page: Page) -> HttpResponse:
    """Each account with its lots and latest movements."""
    accounts = [
        {
            "state": state,
            "movements": list(list_movements(actor=page.actor, account_id=state.account.id)[:MOVEMENTS_SHOWN_MAX]),
        }
        for state in list_credit(actor=page.actor, now=clock.now())
    ]
    return page.render("credit.html", accounts=accounts)


@require_http_methods(["GET", "POST"])
@member_page("budgets")
def budgets(page: Page) -> HttpResponse:
    """Bars with thresholds; the form sets a budget, or changes the one of the same scope and period."""
    error: OndolError | None = None
    if page.request.method == "POST":
        try:
            with savepoint():
                _set(page)
            return redirect("portal:budgets")
        except OndolError as refused:
            error = refused
    rows = list(list_budgets(actor=page.actor))
    return page.render(
        "budgets.html",
        status=error.http_status if error else 200,
        states=read_budget_states(tenant_id=page.tenant.id, budgets=rows, now=clock.now()),
        periods=BudgetPeriod.choices,
        actions=OnLimit.choices,
        form=page.request.POST,
        error=error,
    )


@require_POST
@member_page("budgets")
def budget_close(page: Page, budget_id: str) -> HttpResponse:
    """Nothing counts against it any more."""
    try:
        wanted = ids.parse_id(prefix="bud", text=budget_id)
    except ids.MalformedId as error:
        raise NotFound from error
    close_budget(actor=page.actor, budget_id=wanted, now=clock.now())
    return redirect("portal:budgets")


def _set(page: Page) -> None:
    posted = page.request.POST
    scope = posted.get("scope", "")
    try:
        project_id = ids.parse_id(prefix="prj", text=scope) if scope else None
    except ids.MalformedId as error:
        raise NotFound from error
    period, on_limit = posted.get("period", ""), posted.get("on_limit", "")
    marks = [text for text in posted.getlist("thresholds") if text]
    if period not in BudgetPeriod.values or on_limit not in OnLimit.values:
        raise BudgetInvalid(reason=_("Choose a period and what happens at the limit."), pointer="/period")
    if not all(text.isascii() and text.isdigit() and len(text) <= 4 for text in marks):
        raise BudgetInvalid(reason=_("Thresholds are up to five rising percentages."), pointer="/thresholds")
    set_budget(
        actor=page.actor,
        tenant_id=page.tenant.id,
        project_id=project_id,
        period=BudgetPeriod(period),
        amount_won=parse_won(posted.get("amount", "")),
        thresholds=sorted({int(text) for text in marks}),
        on_limit=OnLimit(on_limit),
        now=clock.now(),
    )
