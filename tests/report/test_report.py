"""The report as a reader has it before their eyes: in a real browser, judged by axe-core.

The pages come from `cargo run -p soxauto-evidence --example reports -- FOLDER`, or are any reports given by name:

    python tests/report/test_report.py PAGE.html …

Set SOXAUTO_CHROMIUM to a Chromium that is not on the PATH, and SOXAUTO_SHOTS to a folder for pictures and PDFs.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import unittest
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

CHROMIUM = os.environ.get("SOXAUTO_CHROMIUM") or next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
SHOTS = os.environ.get("SOXAUTO_SHOTS")
# Desktop and phone, in CSS pixels.
WIDTHS = {"desktop": 1280, "phone": 390}
PAGES: list[Path] = []

OPEN_ALL = "for (const d of document.querySelectorAll('details')) d.open = true"
# What sticks out of the window, but for what may scroll inside itself.
STICKS_OUT = """() => [...document.querySelectorAll('body *')].filter(e => {
  const box = e.getBoundingClientRect();
  return box.width && getComputedStyle(e).position !== 'absolute' && box.right > document.documentElement.clientWidth + 1;
}).map(e => e.outerHTML.slice(0, 120))"""


class ReportInABrowser(unittest.TestCase):
    playwright: Playwright
    browser: Browser

    @classmethod
    def setUpClass(cls) -> None:
        cls.playwright = sync_playwright().start()
        # In a container there is no user namespace for the sandbox; the pages are ours, and hostile ones are the test.
        cls.browser = cls.playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])

    @classmethod
    def tearDownClass(cls) -> None:
        cls.browser.close()
        cls.playwright.stop()

    def visit(self, path: Path, width: int, scheme: str = "light", **settings: object) -> Page:
        """Opens a page; anything it asks of a network or says on the console fails the test."""
        page = self.browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, **settings)
        self.addCleanup(page.close)
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: self.asked(request.url, path))
        page.goto(path.as_uri())
        return page

    def asked(self, url: str, path: Path) -> None:
        if url != path.as_uri() and url != "data:,":
            self.complaints.append(f"request: {url}")

    def test_no_violation_in_any_form(self) -> None:
        for path in PAGES:
            # Colours are the same at every width, and all else is the same in every scheme.
            for form, scheme in (("desktop", "light"), ("phone", "light"), ("desktop", "dark")):
                with self.subTest(page=path.name, form=form, scheme=scheme):
                    # axe is put into the page from outside, which the page's own policy would forbid.
                    page = self.visit(path, WIDTHS[form], scheme, bypass_csp=True)
                    if SHOTS:
                        page.screenshot(path=f"{SHOTS}/{path.stem}-{form}-{scheme}.png")
                    page.evaluate(OPEN_ALL)
                    found = Axe().run(page)
                    self.assertEqual(found.response["violations"], [], found.generate_report())
                    passed = {rule["id"] for rule in found.response["passes"]}
                    self.assertLessEqual({"color-contrast", "heading-order", "region", "document-title"}, passed)
                    self.assertEqual(self.complaints, [])

    def test_nothing_sticks_out(self) -> None:
        for path in PAGES:
            for width in (320, *WIDTHS.values()):
                with self.subTest(page=path.name, width=width):
                    page = self.visit(path, width)
                    page.evaluate(OPEN_ALL)
                    self.assertEqual(page.evaluate(STICKS_OUT), [])
                    over = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
                    self.assertEqual(page.evaluate(over), 0)

    def test_silent_under_its_own_policy(self) -> None:
        for path in PAGES:
            with self.subTest(page=path.name):
                page = self.visit(path, 1280)
                page.wait_for_timeout(100)
                self.assertEqual(self.complaints, [])
                # The policy holds: the style is applied, and a script that somebody smuggles in is not run.
                self.assertNotEqual(page.evaluate("getComputedStyle(document.body).maxWidth"), "none")
                page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'window.bad = 1'}))")
                self.assertIsNone(page.evaluate("window.bad ?? null"))
                self.assertTrue(any("Content Security Policy" in said for said in self.complaints))

    def test_the_keyboard_gets_to_the_report(self) -> None:
        page = self.visit(PAGES[0], 1280)
        page.keyboard.press("Tab")
        self.assertEqual(page.evaluate("document.activeElement.textContent"), "Skip to the report")
        self.assertGreater(page.locator(":focus").bounding_box()["y"], 0)
        page.keyboard.press("Enter")
        self.assertEqual(page.evaluate("document.activeElement.id"), "main")

    def test_the_verdict_is_told_without_colour(self) -> None:
        for path in PAGES:
            with self.subTest(page=path.name):
                page = self.visit(path, 1280)
                word = page.title().split(":")[0]
                self.assertEqual(page.locator("#verdict").inner_text().strip(), word)
                marks = page.locator(".mark, .chip").all_text_contents()
                self.assertTrue(all(text.strip() for text in marks))

    def test_print_is_a4_and_leaves_nothing_folded(self) -> None:
        for path in PAGES:
            with self.subTest(page=path.name):
                page = self.visit(path, 1280)
                page.emulate_media(media="print")
                folded = page.evaluate(
                    "() => [...document.querySelectorAll('details > :not(summary)')].filter(e => !e.getBoundingClientRect().height).length"
                )
                self.assertEqual(folded, 0)
                pdf = page.pdf(prefer_css_page_size=True)
                if SHOTS:
                    Path(SHOTS, f"{path.stem}.pdf").write_bytes(pdf)
                sizes = set(re.findall(rb"/MediaBox \[([^\]]*)\]", pdf))
                self.assertEqual({tuple(round(float(n)) for n in size.split()) for size in sizes}, {(0, 0, 595, 842)})


if __name__ == "__main__":
    PAGES += [Path(name).resolve() for name in sys.argv[1:]]
    if not PAGES:
        sys.exit("which pages?")
    if CHROMIUM is None:
        sys.exit("no Chromium: apt-get install chromium, or set SOXAUTO_CHROMIUM")
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
    unittest.main(argv=sys.argv[:1], verbosity=2)
