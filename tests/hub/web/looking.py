"""How pages of dispatchers are looked at: widths, themes and languages, and what no look may have."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page

from hub.accounts.roles import Role
from tests.hub.web.test_cold_pages import TOO_WIDE

PICTURES: Final = Path(os.environ.get("HOLDFAST_PICTURES", "build/screenshots"))
LOOKS: Final = ((1920, "light", "en-GB"), (390, "dark", "zh-CN"), (390, "light", "en-GB"), (1920, "dark", "zh-CN"))
THERE: Final[dict[str, Any]] = {"timezone_id": "Asia/Shanghai", "role": Role.DISPATCHER}
PHONE: Final = 600
TOUCHED_PX: Final = 44

NAMELESS: Final = """() => {
  const tell = (e, word) => `${word}: ${e.outerHTML.slice(0, 120)}`;
  const all = (which, wrong, word) => [...document.querySelectorAll(which)].filter(wrong).map((e) => tell(e, word));
  const labelled = (e) => [...(e.labels ?? [])].map((label) => label.innerText).join("");
  const own = (e) => e.getAttribute("aria-label") || e.getAttribute("title") || e.innerText || labelled(e);
  const nameless = (e) => e.checkVisibility() && !own(e)?.trim() && !e.querySelector("img[alt]:not([alt=''])");
  const seen = new Set();
  const by = (e) => document.getElementById(e.getAttribute("aria-describedby") ?? e.getAttribute("aria-labelledby"));
  const cut = (e) => e.checkVisibility() && e.clientWidth && getComputedStyle(e).overflowX !== "visible"
    && e.scrollWidth > e.clientWidth + 1 && !e.title && !e.closest(".sr, .maplibregl-map");
  return [
    ...all("a, button, input:not([type=hidden]), select, textarea, summary, [role=region]", nameless, "has no name"),
    ...all("img:not([alt])", () => true, "has no alt"),
    ...all("[id]", (e) => seen.has(e.id) || !seen.add(e.id), "has an id that another has"),
    ...all("[aria-describedby], [aria-labelledby]", (e) => !by(e), "is described by nothing"),
    ...all("[tabindex]", (e) => e.tabIndex > 0, "jumps the order of tabs"),
    ...all("main :is(td, th, a, button, b, small, span, dd)", cut, "is cut"),
    ...(document.querySelectorAll("h1").length === 1 ? [] : ["there is not one h1"]),
  ];
}"""
"""Controls without a name, pictures without a text, ids given twice, text that is cut and nowhere whole."""

TOO_LOW: Final = """least => [...document.querySelectorAll("main :is(a, button, summary, select, input)")]
  .filter((e) => e.checkVisibility() && !e.matches(".maplibregl-map *, [type=hidden]") && e.getBoundingClientRect().width > 0)
  .map((e) => (e.matches("[type=checkbox]") ? e.closest("label") ?? e : e))
  .filter((e) => e.getBoundingClientRect().height < least - 0.5)
  .map((e) => `${Math.round(e.getBoundingClientRect().height)} px: ${e.outerHTML.slice(0, 100)}`)"""

ENGLISH: Final = r"""given => {
  const told = [];
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!e.checkVisibility() || e.closest(".code, code, .maplibregl-map, script, option, .notes, .text, q")) continue;
    let text = walker.currentNode.data;
    for (const one of given) text = text.replaceAll(one, "");
    if (/[a-z]{3,} [a-z]{3,}/i.test(text)) told.push(`is English: ${text.trim().slice(0, 100)}`);
  }
  return told;
}"""
"""Two words side by side that nobody gave."""


def problems_of(page: Page, *, chinese: bool, given: Sequence[str] = ()) -> list[str]:
    """What is wrong with how a page looks and reads."""
    found: list[str] = page.evaluate(TOO_WIDE) + page.evaluate(NAMELESS)
    if (page.viewport_size or {"width": PHONE})["width"] < PHONE:
        found += page.evaluate(TOO_LOW, TOUCHED_PX)
    if chinese:
        found += page.evaluate(ENGLISH, list(given))
    return found
