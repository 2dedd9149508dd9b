"""A mail server that keeps what it is given."""

import email
import email.policy
import ssl
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

PATIENCE_SECONDS = 30


@dataclass
class Mailbox:
    """Mails in the order in which they came; `deferred` further ones are put off first, as unknown senders
    often are, and none is taken while it `refuses`."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    deferred: int = 0
    refuses: bool = False
    used_tls: bool = False
    logged_in: bool = False

    async def handle_DATA(self, server, session, envelope) -> str:  # noqa: N802, the name is aiosmtpd's
        if self.deferred:
            self.deferred -= 1
            return "451 try again later"
        if self.refuses:
            return "550 not wanted"
        self.used_tls = session.ssl is not None
        self.logged_in = session.authenticated
        self.recipients.append(envelope.rcpt_tos)
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 kept"

    def wait_for(self, count: int) -> list[EmailMessage]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(self.mails) < count:
            assert time.monotonic() < deadline, f"{len(self.mails)} of {count} mails came"
            time.sleep(0.02)
        return self.mails

    def link(self, number: int) -> str:
        """The one link of a mail that came."""
        words = self.wait_for(number + 1)[number].get_content().split()
        [link] = [word for word in words if "token=" in word]
        return link

    def token(self, number: int) -> str:
        return self.link(number).split("token=")[1]


class OnFreePort(Controller):
    """The system chooses the port, where the controller then looks for itself."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def mail_server(certificates: Path | None = None, login: tuple[str, str] | None = None):
    """With a directory for certificates it insists on TLS, and with a user and a password on these."""
    mailbox = Mailbox()
    settings = {}
    if certificates is not None:
        settings |= {"tls_context": context(certificates), "require_starttls": True}
    if login is not None:
        user, password = (text.encode() for text in login)
        right = lambda data: (data.login, data.password) == (user, password)  # noqa: E731
        settings |= {
            "auth_required": True,
            "authenticator": lambda server, session, envelope, mechanism, data: AuthResult(success=right(data)),
        }
    controller = OnFreePort(mailbox, hostname="127.0.0.1", port=0, **settings)
    controller.start()
    try:
        mailbox.port = controller.port
        yield mailbox
    finally:
        controller.stop()


def context(directory: Path) -> ssl.SSLContext:
    """A certificate that nobody vouches for."""
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", key, "-out", certificate, "-days", "2"]
        + ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=CA:FALSE"],
        check=True,
        capture_output=True,
    )
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate, key)
    return made
