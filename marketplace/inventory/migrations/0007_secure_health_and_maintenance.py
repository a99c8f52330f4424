"""Health, quarantine, maintenance and availability belong to no tenant; incidents are only ever added."""

from django.db import migrations

from marketplace.kernel.row_security import AppendOnly, SecureSharedTable


class Migration(migrations.Migration):
    """Grants and the append-only trigger. Why a node is in quarantine is the operators' business."""

    dependencies = [("inventory", "0006_health_and_maintenance")]

    operations = [
        SecureSharedTable("inventory_maintenancewindow", staff="SELECT, INSERT, UPDATE"),
        SecureSharedTable("inventory_quarantine", web="", staff="SELECT, INSERT, UPDATE"),
        SecureSharedTable("inventory_nodeincident", web="", staff="SELECT, INSERT"),
        AppendOnly("inventory_nodeincident"),
    ]
