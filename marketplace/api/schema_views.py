"""The OpenAPI description and its pages; public, since it tells nothing of anybody."""

from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView


class SchemaView(SpectacularJSONAPIView):
    """`GET /api/v1/openapi.json`."""

    authentication_classes = ()
    permission_classes = ()


class DocumentationView(SpectacularSwaggerSplitView):
    """`GET /api/v1/docs`: rendered from files served by Ondol itself; the split view keeps scripts out of the page (CSP)."""

    url_name = "api-schema"
    authentication_classes = ()
    permission_classes = ()
