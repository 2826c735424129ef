"""Where one may be sent after signing in: below the dashboard's own prefix, whatever the address says."""

import re
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from barback.dashboard.signing_in.redirects import safe_next

HOST = "https://bar.example"
PREFIXES = st.sampled_from(["", "/q", "/dashboard/queues"])
WORDS = (
    "/ // \\ . .. %2e %2E%2e %252e %2f %2F%2f %252f %5c %255c %00 %0d%0a @ : ? # & evil.example https: javascript: "
    "data: q dashboard queues jobs a é"
)
PIECES = st.sampled_from([*WORDS.split(), "\r\n", "\t", "\u2024", "\uff0f"]) | st.text(max_size=3)


@pytest.mark.parametrize(
    "evil",
    [
        "", "jobs", "//evil", "///evil", "\\evil", "/\\evil", "\\\\evil", "/\t/evil", "/ /evil", "https://evil",
        "https:evil", "javascript:alert(1)", "/q/../evil", "/q/%2e%2e/evil", "/q/%2E./evil",
        "/q/%252e%252e/evil", "/q/./..", "/q/..",
        "/q/%2f/evil", "/q/%5cevil", "/q/%255cevil", "/q//evil", "/qx", "/other", "/q/a\r\nSet-Cookie: x", "/q/%0d%0a",
        "/q/a b", "/q/é", "/q/\x7f", "/q/" + "a" * 3_000, "/q/" + "%" + "25" * 9 + "2e", "@evil", "/@evil",
    ],
)  # fmt: skip
def test_what_may_lead_elsewhere_leads_to_the_overview(evil: str) -> None:
    assert safe_next(evil, "/q") == "/q"


@pytest.mark.parametrize("own", ["/q", "/q/jobs?state=failed&q=payload.url:https://a//b/../c", "/q/a%2Fb", "/q/a#x"])
def test_a_page_of_the_dashboard_is_kept_as_it_is(own: str) -> None:
    assert safe_next(own, "/q") == own


def test_the_overview_has_no_slash_at_its_end() -> None:
    assert safe_next("/q/", "/q") == "/q"
    assert safe_next("/q/?span=7d", "/q") == "/q?span=7d"


def test_without_a_prefix_every_plain_path_is_the_dashboards() -> None:
    assert safe_next("/jobs/1", "") == "/jobs/1"
    assert safe_next("//evil", "") == "/"
    assert safe_next("/..//evil", "") == "/"


@given(
    st.lists(PIECES, max_size=12).map("".join),
    PREFIXES,
)
@example("/q/%2e%2e//evil", "/q")
def test_no_address_leads_to_another_host_or_out_of_the_dashboard(given_: str, prefix: str) -> None:
    for candidate in (given_, f"{prefix}/{given_}", f"/{given_}"):
        target = safe_next(candidate, prefix)
        assert re.fullmatch(r"/[\x21-\x7e]*", target)
        path = target.partition("?")[0].partition("#")[0]
        for _ in range(4):
            # As a browser resolves it, and as proxies do that decode it first.
            reached = urlsplit(urljoin(f"{HOST}{prefix}/sign-in", path.replace("\\", "/")))
            assert reached.netloc == "bar.example"
            assert reached.path == prefix or reached.path.startswith(f"{prefix}/")
            path = unquote(path)
