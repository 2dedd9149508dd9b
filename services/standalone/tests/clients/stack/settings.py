"""What the services of the stack are given, beside where they find each other; read by `run.py`, too, which has no packages."""

ADMIN_SECRET = "an-admin-secret-of-the-tests-0123456789"
FIRST_PASSWORD = "first-password"
CLIENT_SECRET = "the-secret-of-the-client-0123456789"


def settings(identity_provider: str) -> dict[str, str]:
    return {
        "BENNU_ENABLE_AUTH": "true",
        "BENNU_SECRET": "a-secret-of-the-tests-0123456789-abcdefgh",
        "BENNU_ADMIN_SECRET": ADMIN_SECRET,
        "BENNU_DEFAULT_ADMIN_INITIAL_PASSWORD": FIRST_PASSWORD,
        "BENNU_DISABLE_RATE_LIMIT": "true",
        "BENNU_TRUSTED_PROXIES": "1",
        "BENNU_OAUTH2_COMPANY_CLIENT_ID": "client",
        "BENNU_OAUTH2_COMPANY_CLIENT_SECRET": CLIENT_SECRET,
        "BENNU_OAUTH2_COMPANY_OIDC_CONFIG_URL": f"{identity_provider}/.well-known/openid-configuration",
    }
