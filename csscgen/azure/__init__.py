"""How csscgen reaches Azure's data planes: the signing certificate and its key in Key Vault, the login to ACR.

The program makes the vault, the registries and the roles; what is in them it cannot make. Everything here is asked with
a login of azure-identity's default chain, and nothing of Azure's libraries is loaded before it is needed.
"""
