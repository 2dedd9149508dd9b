"""An identity provider on a loopback port: `identity_provider.py PORT SECONDS`, where ID tokens are good for SECONDS.

It is `oidc-provider-mock`, which signs tokens for whomever it is told to, and looks at more than that does by itself: the
secret of the client, the nonce and PKCE. It signs with the secret for clients whose id begins with `shared`. Claims whose name begins with `asked_` are told at the userinfo endpoint alone.
"""

import base64
import hashlib
import os
import sys
from urllib.parse import parse_qs, urlparse

CLIENT_SECRET = "the-secret-of-the-client-0123456789"


def main() -> None:
    port, seconds = int(sys.argv[1]), int(sys.argv[2])
    # Without TLS, as it is on this machine alone.
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
    import flask
    import oidc_provider_mock
    from oidc_provider_mock import _app
    from werkzeug.serving import make_server

    tells_all = _app.OpenIDCode.generate_user_info
    _app.OpenIDCode.generate_user_info = lambda self, user, scope: {
        name: value for name, value in tells_all(self, user, scope).items() if not name.startswith("asked_")
    }
    # Public clients are known by PKCE.
    _app.AuthorizationCodeGrant.TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post", "none"]
    signs_by = _app.OpenIDCode.get_jwt_config
    _app.OpenIDCode.get_jwt_config = lambda self, *about: signs_by(self, *about) | {"exp": seconds} | shared_key()

    def shared_key() -> dict:
        """Some clients share the key that signs: their secret."""
        named = flask.request.authorization
        if named is None or not named.username.startswith("shared"):
            return {}
        key = base64.urlsafe_b64encode(CLIENT_SECRET.encode()).rstrip(b"=").decode()
        return {"alg": "HS256", "key": {"kty": "oct", "k": key}}

    app = oidc_provider_mock.app(require_nonce=True)
    challenges: dict[str, str | None] = {}

    @app.before_request
    def check():
        request = flask.request
        if request.path != "/oauth2/token":
            return None
        client = request.form.get("client_id")
        is_public = client is not None and client.startswith("public")
        by_body = request.form.get("client_secret") == CLIENT_SECRET
        named = request.authorization
        by_header = named is not None and named.type == "basic" and named.password == CLIENT_SECRET
        if not (is_public or by_body or by_header):
            return flask.jsonify(error="invalid_client"), 401
        verifier = request.form.get("code_verifier")
        digest = hashlib.sha256((verifier or "").encode()).digest()
        presented = base64.urlsafe_b64encode(digest).rstrip(b"=").decode() if verifier else None
        if challenges.get(request.form["code"]) != presented or (is_public and not presented):
            return flask.jsonify(error="invalid_grant", error_description="PKCE"), 400
        return None

    @app.after_request
    def remember(response):
        if algorithms := flask.request.args.get("algorithms"):
            # Said to whoever asks for the configuration so.
            told = response.get_json() | {"id_token_signing_alg_values_supported": algorithms.split(",")}
            response.set_data(flask.json.dumps(told))
        if flask.request.path == "/oauth2/authorize" and response.location:
            for code in parse_qs(urlparse(response.location).query).get("code", []):
                challenges[code] = flask.request.args.get("code_challenge")
        return response

    make_server("127.0.0.1", port, app, threaded=True).serve_forever()


if __name__ == "__main__":
    main()
