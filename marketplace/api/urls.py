"""Routes of the REST API, version 1."""

from django.urls import URLPattern, URLResolver, path, re_path

from marketplace.api.schema_views import DocumentationView, SchemaView
from marketplace.api.unknown import unknown_route
from marketplace.api.v1 import (
    assurance,
    billing,
    costs,
    evidence,
    instances,
    market,
    price_changes,
    schedules,
    spending,
    tenant,
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("accelerators", market.AcceleratorsView.as_view()),
    path("sites", market.SitesView.as_view()),
    path("offers", market.OffersView.as_view()),
    path("quotes", market.QuotesView.as_view()),
    path("instances", instances.InstancesView.as_view()),
    path("instances/<str:instance_id>", instances.InstanceView.as_view()),
    path("instances/<str:instance_id>/actions", instances.ActionsView.as_view()),
    path("instances/<str:instance_id>/actions/preview", schedules.StopPreviewView.as_view()),
    path("instances/<str:instance_id>/schedules", schedules.InstanceSchedulesView.as_view()),
    path("instances/<str:instance_id>/schedules/<str:schedule_id>", schedules.InstanceScheduleView.as_view()),
    path("instances/<str:instance_id>/placement", instances.PlacementView.as_view()),
    path("instances/<str:instance_id>/evidence", evidence.EvidenceView.as_view()),
    path("instances/<str:instance_id>/diagnosis", instances.DiagnosisView.as_view()),
    path("instances/<str:instance_id>/events", instances.InstanceEventsView.as_view()),
    path("instances/<str:instance_id>/usage", instances.InstanceUsageView.as_view()),
    path("certificates", assurance.CertificatesView.as_view()),
    path("assessments", assurance.AssessmentsView.as_view()),
    path("assessments/<str:assessment_id>/actions", assurance.AssessmentActionsView.as_view()),
    path("signing-keys", evidence.SigningKeysView.as_view()),
    path("instances/<str:instance_id>/charges", costs.InstanceChargesView.as_view()),
    path("price-changes", price_changes.PriceChangesView.as_view()),
    path("price-changes/<str:change_id>/actions", price_changes.PriceChangeActionsView.as_view()),
    path("costs", costs.CostsView.as_view()),
    path("projects", tenant.ProjectsView.as_view()),
    path("quotas", tenant.QuotasView.as_view()),
    path("api-keys", tenant.ApiKeysView.as_view()),
    path("api-keys/<str:api_key_id>", tenant.ApiKeyView.as_view()),
    path("credit", spending.CreditView.as_view()),
    path("credit/<str:account_id>/movements", spending.CreditMovementsView.as_view()),
    path("budgets", spending.BudgetsView.as_view()),
    path("budgets/<str:budget_id>", spending.BudgetView.as_view()),
    path("invoices", billing.InvoicesView.as_view()),
    path("invoices/<str:invoice_id>", billing.InvoiceView.as_view()),
    path("invoices/<str:invoice_id>/pdf", billing.InvoicePdfView.as_view()),
    path("openapi.json", SchemaView.as_view(), name="api-schema"),
    path("docs", DocumentationView.as_view(), name="api-docs"),
    re_path(r"^.*$", unknown_route),
]
