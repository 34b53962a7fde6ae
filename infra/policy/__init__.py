"""Policies: what may not be in any stack, as plain functions, and a policy pack for the Pulumi CLI around them."""
