"""Metrics text is what Prometheus reads."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from mesh.api.metrics import Metrics, render

names = st.from_regex(r"[a-z][a-z0-9_]{0,20}[a-z0-9]", fullmatch=True).filter(lambda n: not n.endswith("_total"))
numbers = st.integers(0, 1 << 62) | st.floats(0, 1e18)


@given(st.dictionaries(names, numbers), st.dictionaries(names, numbers), st.dictionaries(names, st.text()))
def test_the_librarys_parser_reads_what_was_written(
    counters: dict[str, float], gauges: dict[str, float], info: dict[str, str]
) -> None:
    text = render(Metrics(counters=counters, gauges={f"g_{n}": v for n, v in gauges.items()}, info=info))
    families = {family.name: family for family in text_string_to_metric_families(text)}
    for name, value in counters.items():
        family = families[f"zenmesh_{name}"]
        assert family.type == "counter"
        assert [(s.name, float(s.value)) for s in family.samples] == [(f"zenmesh_{name}_total", float(value))]
    for name, value in gauges.items():
        assert families[f"zenmesh_g_{name}"].type == "gauge"
        assert float(families[f"zenmesh_g_{name}"].samples[0].value) == float(value)
    if info:
        assert families["zenmesh_info"].samples[0].labels == info


def test_the_process_is_described() -> None:
    families = {family.name: family for family in text_string_to_metric_families(render(Metrics()))}
    assert families["process_resident_memory_bytes"].samples[0].value > 1_000_000
    assert families["process_cpu_seconds"].type == "counter"
    assert families["process_open_fds"].samples[0].value > 0
