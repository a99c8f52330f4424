"""Pages, one module per screen: translate, make one call, render."""
