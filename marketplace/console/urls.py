"""Routes of the operator's pages."""

from django.urls import URLPattern, URLResolver, path

from marketplace.console.views import overview, queue

app_name = "console"
urlpatterns: list[URLPattern | URLResolver] = [
    path("overview", overview.overview, name="overview"),
    path("notices/<str:notice_id>/acknowledge", overview.acknowledge, name="notice-acknowledge"),
    path("queue", queue.queue, name="queue"),
    path("queue/<str:instance_id>", queue.explain, name="queue-explain"),
    path("queue/<str:instance_id>/expire", queue.expire, name="queue-expire"),
]
