"""The accelerator catalogue: vendors' names are data, so that an operator adds a vendor without a release."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from marketplace.kernel import ids


class AcceleratorKind(models.TextChoices):
    """GPU or NPU; quotas may be counted per kind."""

    GPU = "gpu", "GPU"
    NPU = "npu", "NPU"


class IsolationClass(models.TextChoices):
    """What separates two tenants on one card (accelerators.md); nothing below hardware goes to sensitive classes."""

    DEVICE = "device", _("Whole device")
    HARDWARE = "hardware", _("Hardware partition")
    SOFTWARE = "software", _("Software sharing")
    NONE = "none", _("Time slicing without isolation")


class NodeSharing(models.TextChoices):
    """Whether instances of several tenants may be on one node at once."""

    BY_DEVICE = "by_device", _("Each device has one tenant")
    ONE_TENANT = "one_tenant", _("Each node has one tenant at a time")


class Accelerator(models.Model):
    """A kind of device that can be rented.

    Attributes:
        resource_name: Kubernetes extended resource, exactly as the vendor's plugin publishes it (case matters).
        product_labels: Node label keys that name the product, every variant the vendor ever used.
        product_values: Values of those labels that mean this accelerator; empty = the resource name alone decides.
        driver_labels: `{"driver": [keys], "firmware": [keys], "runtime": [keys]}`: first present key wins.
        taint_keys: Vendor taints that a pod asking for it may tolerate.
        node_sharing: `one_tenant` where cards are reset in groups: Kubernetes chooses the cards, so that only a node of one's own
            keeps one tenant's reset off another's cards.
    """

    TYPE_PREFIX = "acc"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    code = models.SlugField(max_length=60, unique=True)
    vendor = models.CharField(max_length=60)
    model = models.CharField(max_length=80)
    kind = models.CharField(max_length=4, choices=AcceleratorKind)
    memory_mib = models.PositiveIntegerField()
    isolation_class = models.CharField(max_length=10, choices=IsolationClass)
    resource_name = models.CharField(max_length=100)
    product_labels = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    product_values = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    driver_labels = models.JSONField(default=dict, blank=True)
    taint_keys = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    node_sharing = models.CharField(max_length=10, choices=NodeSharing, default=NodeSharing.BY_DEVICE)
    devices_per_node_max = models.PositiveSmallIntegerField()

    def __str__(self) -> str:
        """The code."""
        return self.code
