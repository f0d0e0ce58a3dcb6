"""The certificate for https, opened first of all, so that what is wrong with it is said at once."""

import ssl

from mien.errors import MienError
from mien.server.settings import Settings


def tls(settings: Settings) -> ssl.SSLContext | None:
    """The TLS context for connections; None if the server has no certificate.

    Raises:
        MienError: the certificate or its key isn't there, is damaged, has a passphrase, or they don't belong together.
    """
    if not (settings.certificate and settings.key):
        return None
    for path in (settings.certificate, settings.key):  # ssl doesn't say which of the two it couldn't read
        try:
            path.read_bytes()
        except OSError as error:
            raise MienError(f"{path}: can't be read ({error.strerror}).") from None

    def password() -> str:  # without this OpenSSL asks at the terminal
        raise MienError(
            f"{settings.key}: has a passphrase. Write it without one: openssl pkey -in {settings.key} -out plain.pem."
        )

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(settings.certificate, settings.key, password)
    except OSError as error:
        said = getattr(error, "reason", None) or error
        raise MienError(
            f"{settings.certificate} and {settings.key}: not a certificate and its key, both as PEM ({said})."
        ) from None
    return context


def renew(context: ssl.SSLContext, settings: Settings) -> None:
    """Read the certificate again, for new connections.

    Raises:
        MienError: as `tls`; the old one stays in use then.
    """
    tls(settings)  # first on trial, as half of a wrong pair would stay in the context
    assert settings.certificate is not None
    context.load_cert_chain(settings.certificate, settings.key)
