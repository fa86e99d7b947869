"""The certificates of web requests."""

import ssl

import pytest

from vipllava_cli.storage.web import load_certificates

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def _trusts_someone(address: str) -> bool:
    certificates = load_certificates(address)
    assert certificates.verify_mode is ssl.CERT_REQUIRED
    return certificates.cert_store_stats()["x509_ca"] > 0


def test_certificates_are_loaded_only_for_encrypted_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in _PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    assert not _trusts_someone("http://127.0.0.1:1/v1")
    assert _trusts_someone("https://example.org/v1")
    assert _trusts_someone("")
    monkeypatch.setenv("HTTP_PROXY", "https://127.0.0.1:1")
    assert _trusts_someone("http://example.org/v1")
