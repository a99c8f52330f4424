"""Routes of the portal."""

from django.urls import URLPattern, URLResolver, path

from marketplace.portal.views import (
    assurance,
    catalogue,
    costs,
    developer,
    evidence,
    home,
    instances,
    money,
    schedules,
    session,
    spending,
)

app_name = "portal"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", home.home, name="home"),
    path("notices/<str:notice_id>/hide", home.hide_notice, name="notice-hide"),
    path("sign-in", session.sign_in, name="sign-in"),
    path("sign-out", session.sign_out, name="sign-out"),
    path("language", session.choose_language, name="language"),
    path("theme", session.choose_theme, name="theme"),
    path("project", session.choose_project, name="project"),
    path("tenant", session.choose_tenant, name="tenant"),
    path("catalogue", catalogue.catalogue, name="catalogue"),
    path("launch", instances.launch, name="launch"),
    path("instances", instances.instance_list, name="instances"),
    path("instances/<str:instance_id>", instances.instance_detail, name="instance"),
    path("instances/<str:instance_id>/live", instances.instance_live, name="instance-live"),
    path("instances/<str:instance_id>/actions", instances.instance_action, name="instance-action"),
    path("instances/<str:instance_id>/evidence", evidence.evidence, name="evidence"),
    path("instances/<str:instance_id>/evidence.pdf", evidence.evidence_pack, {"form": "pdf"}, name="evidence-pdf"),
    path("instances/<str:instance_id>/evidence.json", evidence.evidence_pack, {"form": "json"}, name="evidence-json"),
    path("instances/<str:instance_id>/preview", schedules.preview, name="instance-preview"),
    path("instances/<str:instance_id>/schedules", schedules.add, name="schedule-add"),
    path("instances/<str:instance_id>/schedules/<str:schedule_id>/remove", schedules.remove, name="schedule-remove"),
    path("assurance", assurance.assurance, name="assurance"),
    path("assurance/<str:assessment_id>/withdraw", assurance.withdraw_one, name="assessment-withdraw"),
    path("quotas", money.quotas, name="quotas"),
    path("costs", costs.costs, name="costs"),
    path("costs.csv", costs.costs_csv, name="costs-csv"),
    path("credit", spending.credit, name="credit"),
    path("budgets", spending.budgets, name="budgets"),
    path("budgets/<str:budget_id>/close", spending.budget_close, name="budget-close"),
    path("invoices", money.invoice_list, name="invoices"),
    path("invoices/<str:invoice_id>", money.invoice_detail, name="invoice"),
    path("invoices/<str:invoice_id>/pdf", money.invoice_pdf, name="invoice-pdf"),
    path("api-keys", developer.api_keys, name="api-keys"),
    path("api-keys/<str:api_key_id>/revoke", developer.revoke, name="api-key-revoke"),
]
