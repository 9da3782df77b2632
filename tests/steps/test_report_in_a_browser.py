"""The report in a real browser, under the policy that Jenkins puts on archived pages."""

import os
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from driftgate.steps.compare import compare
from driftgate.steps.report import build_report
from driftgate.steps.report.comparison import build_comparison
from driftgate.testing.findings import broke, drifted, findings
from driftgate.testing.runs import Story, synthetic_run

POLICY = "sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self';"
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE, DESK = 390, 1280
CHANGES = ("onnxruntime 1.30.0 → 1.31.1",)
MEND = "no chromium here: `apt-get install chromium`"


class JenkinsLike(SimpleHTTPRequestHandler):
    def end_headers(self):
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def log_message(self, *_):
        """Nothing."""


@pytest.fixture(scope="module")
def chromium():
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(MEND)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The report of a dozen models on loopback; the address of its folder and the models' pages."""
    names = ["hf:acme/" + "a-very-long-name-" * 8]
    store = synthetic_run(tmp_path_factory.mktemp("run"), names=names, stories=tuple(Story), expected=(Story.DRIFT,))
    some = [
        drifted(entry.slug, owner="runtime", variant=str(index)) for entry in store.lock().models for index in (1, 2)
    ]
    store.write_findings(findings(*some, broke(store.lock().models[0].slug), changes=CHANGES, run_id=store.run_id))
    build_report(store)
    other = synthetic_run(tmp_path_factory.mktemp("run"), names=names, stories=(Story.CLEAN,), seed=1)
    build_comparison(compare(other, store), other, store)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(JenkinsLike, directory=store.root))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    pages = ["index.html", "coverage.html", "findings.html", "breaks.html", "exports.html", "provenance.html"]
    pages += [f"../compare/{other.run_id}/index.html"]
    pages += [f"models/{entry.slug}.html" for entry in store.lock().models]
    yield f"http://127.0.0.1:{server.server_port}/report/", pages
    server.shutdown()
    thread.join()
    server.server_close()


def visit(browser, report, *, width, scheme, look):
    """`look(tab)` on every page → {page: what it saw}; fails for whatever the browser complains of or could not get."""
    address, pages = report
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    tab = context.new_page()
    complaints = []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("requestfailed", lambda request: complaints.append(f"{request.failure} {request.url}"))
    tab.on("response", lambda got: complaints.append(f"{got.status} {got.url}") if got.status >= 400 else None)
    seen = {}
    for page in pages:
        tab.goto(address + page)
        seen[page] = look(tab)
    context.close()
    # The icon may still be on its way when the next page is opened.
    assert [said for said in complaints if not said.startswith("net::ERR_ABORTED") or "icon.svg" not in said] == []
    return seen


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_no_page_is_wider_than_its_window_and_the_browser_complains_of_nothing(chromium, report, width, scheme):
    widest = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"
    seen = visit(chromium, report, width=width, scheme=scheme, look=lambda tab: tab.evaluate(widest))
    assert {page: wide for page, wide in seen.items() if wide > width} == {}


def background(tab):
    return tab.evaluate("getComputedStyle(document.body).backgroundColor")


def test_the_style_sheet_applies_under_the_policy_and_knows_the_dark(chromium, report):
    light = visit(chromium, report, width=DESK, scheme="light", look=background)
    dark = visit(chromium, report, width=DESK, scheme="dark", look=background)
    assert set(light.values()) == {"rgb(255, 255, 255)"}
    assert set(dark.values()) == {"rgb(15, 18, 22)"}


def test_latency_pictures_are_drawn(chromium, report):
    drawn = "[...document.images].map(image => image.complete && image.naturalWidth)"
    seen = visit(chromium, report, width=DESK, scheme="light", look=lambda tab: tab.evaluate(drawn))
    assert any(seen.values())
    assert all(width > 0 for widths in seen.values() for width in widths)


def test_the_first_tab_stop_skips_to_the_content(chromium, report):
    def press(tab):
        tab.keyboard.press("Tab")
        return tab.evaluate("document.activeElement.textContent")

    assert set(visit(chromium, report, width=DESK, scheme="light", look=press).values()) == {"Skip to content"}


def shown(tab):
    """How many rows of the board stand there, before and after a choice of each kind."""
    rows = tab.locator(".board tbody tr:visible")
    counts = [rows.count()]
    for choice in ("reach-through", "modality-text", "reach-all"):
        tab.locator(f"label[for={choice}]").click()
        counts.append(rows.count())
    return counts


def test_the_board_shows_what_is_chosen_without_a_script(chromium, report):
    address, _ = report
    seen = visit(chromium, (address, ["coverage.html"]), width=DESK, scheme="light", look=shown)
    total, through, of_text, text = seen["coverage.html"]
    assert total == len(Story) + 2
    assert total > through > of_text > 0
    assert total > text > of_text


CONTRAST = """() => {
  const parse = c => { const m = c.match(/[\\d.]+/g).map(Number); return m.length > 3 ? m : [...m, 1]; };
  const lum = c => { const f = v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    return 0.2126 * f(c[0]) + 0.7152 * f(c[1]) + 0.0722 * f(c[2]); };
  const ground = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
    if (c[3] === 1) return c; } return [255, 255, 255, 1]; };
  const low = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.textContent.trim() || !e.checkVisibility()) continue;
    const a = lum(parse(getComputedStyle(e).color)), b = lum(ground(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.push(`${e.tagName}.${e.className} ${ratio.toFixed(2)}: ${walk.currentNode.textContent.trim().slice(0, 40)}`);
  }
  return [...new Set(low)];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_stands_out_from_its_ground(chromium, report, scheme):
    seen = visit(chromium, report, width=DESK, scheme=scheme, look=lambda tab: tab.evaluate(CONTRAST))
    assert {page: low for page, low in seen.items() if low} == {}
