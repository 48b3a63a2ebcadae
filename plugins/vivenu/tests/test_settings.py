from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from messy_migration_vivenu.settings import VivenuSettings


def tenant(**values):
    return {"tenants": {"auckland": {"token": "key", **values}}}


def test_a_tenant_needs_nothing_but_its_key():
    found = VivenuSettings.model_validate(tenant()).tenants["auckland"]
    assert (found.base_url, found.top, found.currency, found.timezone, found.lag) == (
        "https://vivenu.com/api", 500, "EUR", "UTC", 120,
    )  # fmt: skip


def test_a_key_is_in_no_text():
    settings = VivenuSettings.model_validate(tenant(token="s3cr3t-value"))
    assert "s3cr3t-value" not in f"{settings!r} {settings} {settings.model_dump()}"


@pytest.mark.parametrize(
    "section, at",
    [
        ({}, ("tenants",)),
        ({"tenants": {}}, ("tenants",)),
        ({"tenants": {"auckland": {}}}, ("tenants", "auckland", "token")),
        (tenant(token=""), ("tenants", "auckland", "token")),
        (tenant(tokn="x"), ("tenants", "auckland", "tokn")),
        (tenant(top=0), ("tenants", "auckland", "top")),
        (tenant(top=1001), ("tenants", "auckland", "top")),
        (tenant(lag=-1), ("tenants", "auckland", "lag")),
        (tenant(window_days=0), ("tenants", "auckland", "window_days")),
        (tenant(rate=0), ("tenants", "auckland", "rate")),
        (tenant(currency="euro"), ("tenants", "auckland", "currency")),
        (tenant(timezone="Berlin"), ("tenants", "auckland", "timezone")),
        (tenant(timezone=""), ("tenants", "auckland", "timezone")),
        (tenant(base_url="ftp://vivenu.com"), ("tenants", "auckland", "base_url")),
        (tenant(base_url="https://user:pw@vivenu.com"), ("tenants", "auckland", "base_url")),
        (tenant(base_url="https://vivenu.com/api?key=1"), ("tenants", "auckland", "base_url")),
        (tenant(test_prefixes=[""]), ("tenants", "auckland", "test_prefixes")),
        (tenant(http={"tries": 0}), ("tenants", "auckland", "http", "tries")),
        ({**tenant(), "token": "x"}, ("token",)),
    ],
)
def test_a_wrong_key_or_value_is_named(section, at):
    with pytest.raises(ValidationError) as caught:
        VivenuSettings.model_validate(section)
    assert [error["loc"] for error in caught.value.errors()] == [at]


@pytest.mark.parametrize("name", ["auck|land", "", "a b", "../a", "-a"])
def test_a_tenant_has_a_name_that_keys_and_paths_can_hold(name):
    with pytest.raises(ValidationError):
        VivenuSettings.model_validate({"tenants": {name: {"token": "key"}}})


def test_a_slash_at_the_end_of_the_base_url_does_not_matter():
    settings = VivenuSettings.model_validate(tenant(base_url="https://vivenu.dev/api/"))
    assert settings.tenants["auckland"].base_url == "https://vivenu.dev/api"


def test_the_class_does_not_read_the_environment_by_itself(monkeypatch):
    monkeypatch.setenv("TENANTS", '{"other": {"token": "x"}}')
    assert list(VivenuSettings(**tenant()).tenants) == ["auckland"]


def test_the_plugin_can_be_imported_without_its_sandbox():
    code = (
        "import sys, messy_migration_vivenu;"
        "sys.exit(any('.sandbox' in name for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
