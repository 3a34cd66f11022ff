# SPDX-License-Identifier: Apache-2.0
"""The page in a browser: browser_test.py WRITE_EXAMPLE WEB_DIRECTORY. Exits with 77 where there is no Chromium.

With PQLEASH_SCREENSHOTS=DIRECTORY it leaves pictures there.
"""

import http.server
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import unittest

from browser import Browser, Page, find_chromium

WRITE_EXAMPLE, WEB = sys.argv[1:3] if len(sys.argv) > 2 else (None, None)


def example(name, kind):
    return subprocess.run([WRITE_EXAMPLE, name, kind], check=True, capture_output=True).stdout


class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="pqleash-page-")
        cls.urls = {}
        for name in ("example", "hostile"):
            path = pathlib.Path(cls.directory.name, f"{name}.html")
            path.write_bytes(example(name, "html"))
            cls.urls[name] = path.as_uri()
        cls.reports = {name: json.loads(example(name, "json")) for name in cls.urls}
        cls.browser = Browser(find_chromium())

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        cls.directory.cleanup()

    def page(self, **options):
        page = Page(self.browser, **options)
        self.addCleanup(page.close)
        return page

    def opened(self, name, fragment="", **options):
        page = self.page(**options)
        page.open(self.urls[name] + fragment)
        return page

    def assert_clean(self, page):
        self.assertEqual(page.problems, [])
        self.assertEqual(page.evaluate("document.documentElement.dataset.errors"), "0")

    def count(self, page, selector):
        return page.evaluate(f"document.querySelectorAll({json.dumps(selector)}).length")

    def text(self, page, selector):
        return page.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")


class ExportTest(PageTest):
    def test_shows_the_report(self):
        report = self.reports["example"]
        page = self.opened("example")
        self.assertIn(report["answer"]["sentence"], self.text(page, "#answer"))
        self.assertEqual(self.count(page, ".finding"), len(report["findings"]))
        for i, finding in enumerate(report["findings"]):
            shown = self.text(page, f"#finding-{i + 1}")
            for part in (finding["kind"], finding["confidence"], finding["summary"], finding["advice"]):
                self.assertIn(part, shown)
        self.assertEqual(self.count(page, "tr.site"), len(report["call_sites"]))
        self.assertEqual(self.count(page, ".cap"), len(report["caps"]))
        self.assertEqual(self.count(page, ".service tbody tr"), len(report["processes"]))
        self.assertEqual(self.count(page, ".chart polygon"), 2)
        self.assert_clean(page)

    def test_flame_graph_merges_equal_frames_and_mixes_languages(self):
        page = self.opened("example")
        names = page.evaluate("[...document.querySelectorAll('.box')].map((one) => one.getAttribute('aria-label'))")
        self.assertIn("all: 34 open, 100 %", names)
        self.assertIn("main (src/main.cc:12): 27 open, 79.4 %", names)
        self.assertIn("worker.py:main (/srv/billing/worker.py:12): 7 open, 20.6 %", names)
        self.assertEqual(sum(name.startswith("shop::Server::Run()") for name in names), 1)
        self.assertFalse(any("_PyEval_EvalFrameDefault" in name for name in names))
        page.click("#flame-native")
        names = page.evaluate("[...document.querySelectorAll('.box')].map((one) => one.getAttribute('aria-label'))")
        self.assertTrue(any("_PyEval_EvalFrameDefault" in name for name in names))
        page.evaluate("const select = document.getElementById('flame-metric'); select.value = 'failed_total';"
                      "select.dispatchEvent(new Event('change')); true")
        self.assertEqual(page.evaluate("document.querySelector('.box').getAttribute('aria-label')"), "all: 1 failed, 100 %")
        self.assert_clean(page)

    def test_loads_nothing(self):
        page = self.opened("example")
        self.assertEqual(page.requests, [self.urls["example"]])

    def test_clicks_from_a_finding_to_its_stack_and_its_connections(self):
        page = self.opened("example")
        self.assertEqual(self.count(page, "#finding-1 .stack li"), 0)
        page.click("#finding-1 summary")
        page.wait("document.querySelector('#finding-1 .stack') !== null")
        self.assertIn("shop::HandleOrder(shop::Request const&) src/handlers/order.cc:107", self.text(page, "#finding-1 .stack"))
        page.click("#finding-1 .unfolded a")
        page.wait("document.activeElement.matches('.site .expand[aria-expanded=true]')")
        site = page.evaluate("document.activeElement.closest('tr').id")
        self.assertEqual(site, f"site-{self.reports['example']['findings'][0]['call_site']}")
        self.assertEqual(self.count(page, f"#{site}-detail tbody tr"), 23)
        self.assert_clean(page)

    def test_links_lead_to_a_finding_or_a_call_site(self):
        page = self.opened("example", "#finding-2")
        self.assertEqual(self.count(page, "#finding-2 details[open] .stack"), 1)
        self.assertEqual(self.count(page, "#finding-1 details[open]"), 0)
        page = self.opened("example", "#site-0000000000005555")
        page.wait("document.activeElement.matches('#site-0000000000005555 .expand[aria-expanded=true]')")
        for fragment in ("#finding-99", "#site-x", "#%3Cimg%3E", "#processes"):
            self.assert_clean(self.opened("example", fragment))

    def test_sorts_the_table_with_the_keyboard(self):
        page = self.opened("example")
        opened = "[...document.querySelectorAll('tr.site')].map((row) => Number(row.children[4].innerText))"
        page.evaluate("document.querySelector('[data-key=\"sort opened_total\"]').focus()")
        page.press("Enter")
        self.assertEqual(page.evaluate(opened), [23, 7, 5, 4, 0])
        self.assertEqual(page.evaluate("document.activeElement.closest('th').getAttribute('aria-sort')"), "descending")
        page.press("Enter")
        self.assertEqual(page.evaluate(opened), [0, 4, 5, 7, 23])

    def test_walks_through_the_flame_graph_with_the_keyboard(self):
        page = self.opened("example")
        focused = "document.activeElement.innerText"
        page.evaluate("document.querySelector('.box[tabindex=\"0\"]').focus()")
        for key, name in (("ArrowDown", "billing"), ("ArrowRight", "orders"), ("ArrowDown", "main"), ("Enter", "main"),
                          ("ArrowDown", "shop::Server::Run()"), ("ArrowUp", "main")):
            page.press(key)
            self.assertEqual(page.evaluate(focused), name, key)
        width = "document.activeElement.getBoundingClientRect().width / document.querySelector('.flame').clientWidth"
        self.assertGreater(page.evaluate(width), 0.99)
        self.assertEqual(self.count(page, ".box.ancestor"), 2)
        page.press("Escape")
        self.assertEqual(page.evaluate(focused), "orders")
        page.press("Escape")
        self.assertEqual(page.evaluate(focused), "all")
        self.assertEqual(self.count(page, ".box.ancestor"), 0)

    def test_searches_the_flame_graph(self):
        page = self.opened("example")
        page.evaluate("document.getElementById('flame-search').focus()")
        page.call("Input.insertText", text="handleorder")
        self.assertEqual(self.count(page, ".box.match"), 1)
        self.assertEqual(self.text(page, "#flame-found"), "23 of 34 in frames that match")
        page.press("Escape")
        self.assertEqual(self.count(page, ".box.match"), 0)

    def test_everything_fits_on_a_phone(self):
        for name in ("example", "hostile"):
            page = self.opened(name, width=390, height=844)
            self.unfold_all(page)
            self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), 390, name)
            sticking_out = page.evaluate(
                "[...document.querySelectorAll('main *')].filter((one) => one.getBoundingClientRect().right > 391"
                " && !one.closest('.flame, .scroll, .hidden')).map((one) => one.outerHTML.slice(0, 200))")
            self.assertEqual(sticking_out, [], name)
            self.assert_clean(page)

    def test_text_can_be_read_in_both_schemes(self):
        # Of what the text stands on, WCAG's AA: 4.5 to 1.
        measure = """(() => {
          const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
          const light = (colour) => parts(colour).slice(0, 3).map((one) => one / 255)
            .map((one) => (one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4))
            .reduce((sum, one, i) => sum + one * [0.2126, 0.7152, 0.0722][i], 0);
          const behind = (element) => {
            for (let one = element; one; one = one.parentElement) {
              const colour = getComputedStyle(one).backgroundColor;
              if ((parts(colour)[3] ?? 1) === 1) return colour;
            }
            return getComputedStyle(document.body).backgroundColor;
          };
          const poor = [];
          for (const element of document.querySelectorAll('body *')) {
            if (![...element.childNodes].some((one) => one.nodeType === 3 && one.data.trim())) continue;
            if (element.closest('svg, noscript, script, [disabled], .hidden, option')) continue;
            const [a, b] = [light(getComputedStyle(element).color), light(behind(element))].sort((x, y) => y - x);
            if ((a + 0.05) / (b + 0.05) < 4.5) poor.push(`${element.outerHTML.slice(0, 120)} ${(a + 0.05) / (b + 0.05)}`);
          }
          return poor;
        })()"""
        for dark in (False, True):
            page = self.opened("example", dark=dark)
            self.unfold_all(page)
            self.assertEqual(page.evaluate(measure), [], "dark" if dark else "light")

    def unfold_all(self, page):
        page.evaluate("document.querySelectorAll('.expand[aria-expanded=false]').forEach((one) => one.click());"
                      "document.querySelectorAll('details:not([open])').forEach((one) => { one.open = true; }); true")
        page.wait("[...document.querySelectorAll('details[open] > .unfolded')].every((one) => one.firstChild !== null)")

    def test_headings_and_names_are_there_for_a_screen_reader(self):
        page = self.opened("example")
        self.assertEqual(self.count(page, "h1"), 1)
        self.assertEqual(page.evaluate("[...document.querySelectorAll('section')].filter((one) =>"
                                       " !one.getAttribute('aria-label') && !document.getElementById(one.getAttribute('aria-labelledby'))).length"), 0)
        self.assertEqual(self.count(page, "th:not([scope])"), 0)
        self.assertEqual(page.evaluate("[...document.querySelectorAll('table')].filter((one) => !one.caption).length"), 0)

    def test_hostile_strings_are_text(self):
        page = self.opened("hostile", "#finding-1")
        self.unfold_all(page)
        self.assertEqual(self.count(page, "img"), 0)
        self.assertIn("1 finding" if len(self.reports["hostile"]["findings"]) == 1 else "findings", page.evaluate("document.title"))
        self.assertEqual(self.count(page, "script:not([type])"), 7)
        hostile = '</script><img src=x onerror="document.title=\'owned\'"><!--'
        for selector in ("#answer", "#incomplete", "#host", ".finding .summary", ".finding .evidence", ".finding .stack",
                         "tr.site", "tr.detail", ".box.lang-ruby", ".legend", ".service h3", ".cap h3", "#caps-body table"):
            self.assertIn(hostile, self.text(page, selector), selector)
        controls = page.evaluate("document.body.innerText.match(/[\\u0000-\\u0008\\u000b-\\u001f\\u202e]/u)")
        self.assertIsNone(controls)
        self.assert_clean(page)
        self.assertEqual(len(page.requests), 1)

    def test_pictures(self):
        directory = os.environ.get("PQLEASH_SCREENSHOTS")
        if not directory:
            self.skipTest("PQLEASH_SCREENSHOTS names no directory")
        for picture, options in (("light", {}), ("dark", {"dark": True}), ("narrow", {"width": 390, "height": 844}),
                                 ("narrow-dark", {"width": 390, "height": 844, "dark": True})):
            for name in ("example", "hostile"):
                page = self.opened(name, "#finding-1", **options)
                page.screenshot(os.path.join(directory, f"{name}-{picture}.png"))
                self.unfold_all(page)
                page.screenshot(os.path.join(directory, f"{name}-{picture}-unfolded.png"))


class Server(http.server.ThreadingHTTPServer):
    """The page's files and a report, as `pqleash serve` has them."""

    daemon_threads = True

    def __init__(self, report):
        self.report = report
        self.answers = 0
        super().__init__(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/"

    def stop(self):
        self.shutdown()
        self.thread.join()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.lstrip("/") or "index.html"
        if name == "api/report":
            self.server.answers += 1
            return self.answer("application/json", json.dumps(self.server.report).encode())
        path = pathlib.Path(WEB, name)
        if not path.is_file():
            return self.send_error(404)
        kinds = {".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css"}
        return self.answer(kinds[path.suffix], path.read_bytes())

    def answer(self, kind, body):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class LiveTest(PageTest):
    def test_updates_itself_and_keeps_what_the_reader_has_done(self):
        server = Server(self.reports["example"])
        self.addCleanup(lambda: server.thread.is_alive() and server.stop())
        page = self.page()
        page.open(server.url)
        page.wait("document.getElementById('status').className === 'status live'")
        page.click("#finding-1 summary")
        page.wait("document.querySelector('#finding-1 .stack') !== null")
        page.evaluate("document.querySelector('[data-key=\"sort peak\"]').click()")
        page.evaluate("document.querySelector('.box.lang-python').click()")
        page.click("tr.site .expand")
        page.wait("document.activeElement.matches('tr.site .expand')")
        focused = page.evaluate("document.activeElement.dataset.key")
        changed = json.loads(json.dumps(self.reports["example"]))
        changed["processes"][0]["open"] += 58
        changed["generated_at"] = "2025-11-21T05:13:25.000Z"
        server.report = changed
        page.wait("document.querySelector('#figures dd').innerText === '92'", "the new number of connections")
        self.assertEqual(self.count(page, "#finding-1 details[open] .stack"), 1)
        self.assertEqual(page.evaluate("document.querySelector('[data-key=\"sort peak\"]').closest('th').getAttribute('aria-sort')"), "descending")
        self.assertEqual(page.evaluate("document.activeElement.dataset.key"), focused)
        self.assertEqual(page.evaluate("document.activeElement.getAttribute('aria-expanded')"), "true")
        self.assertGreater(self.count(page, ".box.ancestor"), 0)
        self.assert_clean(page)
        self.assertRegex(self.text(page, "#status"), r"^Live, \d\d:\d\d:\d\d$")
        server.stop()
        page.wait("document.getElementById('status').className === 'status gone'")
        self.assertRegex(self.text(page, "#status"), r"^No answer from pqleash since .*: stale, the state of .*\. Trying again\.$")
        self.assertEqual(self.text(page, "#figures dd"), "92")
        self.assertTrue(all(url.startswith(server.url) for url in page.requests), page.requests)

    def test_text_that_is_selected_stays(self):
        server = Server(self.reports["example"])
        self.addCleanup(server.stop)
        page = self.page()
        page.open(server.url)
        page.wait("document.getElementById('status').className === 'status live'")
        page.evaluate("document.getSelection().selectAllChildren(document.querySelector('.summary'))")
        changed = json.loads(json.dumps(self.reports["example"]))
        changed["processes"][0]["open"] += 58
        changed["generated_at"] = "2025-11-21T05:13:25.000Z"
        server.report = changed
        page.wait("document.getElementById('status').className === 'status paused'")
        self.assertEqual(self.text(page, "#figures dd"), "34")
        self.assertEqual(page.evaluate("document.getSelection().toString()"), self.reports["example"]["findings"][0]["summary"] + ".")
        page.evaluate("document.getSelection().removeAllRanges()")
        page.wait("document.querySelector('#figures dd').innerText === '92'")


if __name__ == "__main__":
    if find_chromium() is None:
        print("skipped: no chromium; `scripts/install-packages --browser` installs it")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
