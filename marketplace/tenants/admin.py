"""Tenants in the operator's console."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from marketplace.config.console import operator_of
from marketplace.kernel import clock
from marketplace.kernel.records import RecordAdmin
from marketplace.tenants.models import ApiKey, BillingProfile, Membership, Project, Tenant, TenantStatus
from marketplace.tenants.operations import set_standing


@admin.register(Tenant)
class TenantAdmin(RecordAdmin):
    """Organizations and their standing."""

    list_display = ("name", "sector", "status", "created_at")
    list_filter = ("sector", "status")
    search_fields = ("name",)
    actions = ("suspend", "reactivate")

    @admin.action(description=_("Suspend (nothing new starts; running instances are left alone)"))
    def suspend(self, request: HttpRequest, tenants: QuerySet[Tenant]) -> None:
        """Suspend the chosen tenants."""
        self._set(request, tenants, TenantStatus.SUSPENDED, str(_("Suspended by the operator")))

    @admin.action(description=_("Reactivate"))
    def reactivate(self, request: HttpRequest, tenants: QuerySet[Tenant]) -> None:
        """Lift the suspension of the chosen tenants."""
        self._set(request, tenants, TenantStatus.ACTIVE, "")

    def _set(self, request: HttpRequest, tenants: QuerySet[Tenant], status: TenantStatus, reason: str) -> None:
        actor = operator_of(request)
        for tenant in tenants.order_by("id"):
            set_standing(actor=actor, tenant_id=tenant.id, status=status, reason=reason, now=clock.now())
        self.message_user(request, _("Done; see the audit log."), messages.SUCCESS)


@admin.register(Project)
class ProjectAdmin(RecordAdmin):
    """Projects with their data classes."""

    list_display = ("name", "tenant", "data_classes", "cost_centre", "billing_profile")
    list_select_related = ("tenant", "billing_profile")
    search_fields = ("name", "slug")


@admin.register(BillingProfile)
class BillingProfileAdmin(RecordAdmin):
    """Payers."""

    list_display = ("name", "tenant", "company_name", "business_number", "rounding")
    list_select_related = ("tenant",)
    search_fields = ("company_name", "business_number")


@admin.register(Membership)
class MembershipAdmin(RecordAdmin):
    """Who has which role where."""

    list_display = ("user", "tenant", "role", "project")
    list_select_related = ("user", "tenant", "project")
    list_filter = ("role",)


@admin.register(ApiKey)
class ApiKeyAdmin(RecordAdmin):
    """API keys, by prefix; the secret is nowhere."""

    list_display = ("prefix", "name", "tenant", "project", "expires_at", "revoked_at", "last_used_at")
    list_select_related = ("tenant", "project")
    exclude = ("secret_hash",)

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> list[str]:
        """All but the hash."""
        return [name for name in super().get_readonly_fields(request, obj) if name != "secret_hash"]
