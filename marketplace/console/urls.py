"""Routes of the operator's pages."""

from django.urls import URLPattern, URLResolver, path

from marketplace.console.views import certificates, money, overview, queue, rules

app_name = "console"
urlpatterns: list[URLPattern | URLResolver] = [
    path("overview", overview.overview, name="overview"),
    path("notices/<str:notice_id>/acknowledge", overview.acknowledge, name="notice-acknowledge"),
    path("credit", money.credit, name="credit"),
    path("credit/top-ups", money.top_up, name="top-up"),
    path("credit/top-ups/<str:top_up_id>/decide", money.decide, name="top-up-decide"),
    path("credit/payment-mode", money.payment_mode, name="payment-mode"),
    path("ledger", money.ledger, name="ledger"),
    path("queue", queue.queue, name="queue"),
    path("queue/<str:instance_id>", queue.explain, name="queue-explain"),
    path("queue/<str:instance_id>/expire", queue.expire, name="queue-expire"),
    path("certificates", certificates.certificates, name="certificates"),
    path("certificates/<str:certificate_id>", certificates.certificate, name="certificate"),
    path("certificates/<str:certificate_id>/paper", certificates.paper, name="certificate-paper"),
    path("certificates/<str:certificate_id>/revoke", certificates.revoke, name="certificate-revoke"),
    path("rules", rules.rules, name="rules"),
    path("rules/<slug:code>", rules.rule, name="rule"),
]
