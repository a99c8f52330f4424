"""The operator's bespoke pages, where work is a flow rather than a record."""
