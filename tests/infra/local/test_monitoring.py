from __future__ import annotations

import pytest
import yaml

from infra.local import monitoring
from infra.settings import Settings

TARGETS = {"etcd": "http://127.0.0.1:1/metrics", "kube-apiserver": "https://127.0.0.1:2/deep/metrics"}


def test_every_target_is_a_job_and_only_https_has_the_client_s_certificate():
    found = yaml.safe_load(monitoring.configuration(TARGETS, 0.5, "CA", "CERT", "KEY"))
    assert found["global"] == {"scrape_interval": "500ms", "scrape_timeout": "500ms"}
    plain, secure = found["scrape_configs"]
    assert plain == {
        "job_name": "etcd",
        "scheme": "http",
        "metrics_path": "/metrics",
        "static_configs": [{"targets": ["127.0.0.1:1"]}],
    }
    assert (secure["scheme"], secure["metrics_path"]) == ("https", "/deep/metrics")
    assert secure["tls_config"] == {"ca_file": "CA", "cert_file": "CERT", "key_file": "KEY"}


@pytest.mark.parametrize(("choice", "there", "wanted"), [("on", False, True), ("off", True, False)])
def test_on_and_off_are_what_they_say(choice, there, wanted, tmp_path, monkeypatch):
    look(there, tmp_path, monkeypatch)
    assert monitoring.wanted(Settings.read({"monitoring": {"prometheus": choice}}, "the tests")) is wanted


@pytest.mark.parametrize("choice", ["on", "auto"])
def test_one_that_is_named_by_its_url_is_taken_in_its_place(choice, tmp_path, monkeypatch):
    look(True, tmp_path, monkeypatch)
    named = {"prometheus": choice, "prometheusUrl": "https://prometheus.example"}
    assert not monitoring.wanted(Settings.read({"monitoring": named}, "the tests"))


@pytest.mark.parametrize("there", [True, False])
def test_auto_takes_a_prometheus_that_is_there_already(there, tmp_path, monkeypatch):
    look(there, tmp_path, monkeypatch)
    assert monitoring.wanted(Settings()) is there


def look(there: bool, tmp_path, monkeypatch) -> None:
    """A machine with or without a Prometheus."""
    monkeypatch.setenv("PATH", "/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("CSSCGEN_PROMETHEUS", raising=False)
    if there:
        monkeypatch.setenv("CSSCGEN_PROMETHEUS", "/bin/sh")
