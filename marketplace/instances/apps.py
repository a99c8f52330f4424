"""Registers the app."""

from django.apps import AppConfig


class InstancesConfig(AppConfig):
    """The instances app."""

    name = "marketplace.instances"
    label = "instances"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Tell the quotas app who holds quota."""
        from marketplace.instances.quota_demands import lock_holding_instances  # noqa: PLC0415 - needs the models
        from marketplace.quotas.holders import register_holders  # noqa: PLC0415 - beside its use

        register_holders(name="instances", read=lock_holding_instances)
