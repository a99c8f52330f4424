"""How much may they have? Hard limits, taken when the intent is saved and given back when the pods are gone."""
