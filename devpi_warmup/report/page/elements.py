"""HTML as elements, so that whatever is quoted is text: nothing here joins strings to tags."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from devpi_warmup.foreign import for_xml, plain

if TYPE_CHECKING:
    from collections.abc import Iterable

NOTHING = "-"
Content = ET.Element | str | None


def element(tag: str, *content: Content, **attributes: str | int | None) -> ET.Element:
    """Return an element.

    :param content: what is in it, in order; None is nothing
    :param attributes: ``class_`` is ``class``, ``aria_label`` is ``aria-label``; None is none
    """
    named = {
        name.rstrip("_").replace("_", "-"): _text(str(value))
        for name, value in attributes.items()
        if value is not None
    }
    made = ET.Element(tag, named)
    last: ET.Element | None = None
    for part in content:
        if part is None:
            continue
        if isinstance(part, ET.Element):
            made.append(part)
            last = part
        elif last is None:
            made.text = (made.text or "") + _text(part)
        else:
            last.tail = (last.tail or "") + _text(part)
    return made


def link(text: str, target: str) -> ET.Element:
    """Return a link within the page.

    :param target: the id of an element
    """
    return element("a", text, href=f"#{target}")


def section(id_: str, title: str, *content: Content) -> ET.Element:
    """Return a part of the page with its heading."""
    heading = element("h2", title, id=f"{id_}-title")
    return element("section", heading, *content, id=id_, aria_labelledby=f"{id_}-title")


def table(
    caption: str, head: Iterable[Content], rows: Iterable[ET.Element], **attributes: str
) -> ET.Element:
    """Return a table with one row of headings, in a box that scrolls by itself.

    :param rows: ``tr`` elements, or ``tbody`` elements with such
    """
    headings = (element("th", cell, scope="col") for cell in head)
    return boxed(caption, [element("tr", *headings)], rows, **attributes)


def boxed(
    caption: str, head: Iterable[ET.Element], rows: Iterable[ET.Element], **attributes: str
) -> ET.Element:
    """Return a table whose head is several rows."""
    body = list(rows)
    if any(row.tag == "tr" for row in body):
        body = [element("tbody", *body)]
    made = element("table", element("caption", caption), element("thead", *head), *body)
    for name, value in attributes.items():
        made.set(name.rstrip("_"), value)
    return element("div", made, class_="box", role="region", tabindex=0, aria_label=caption)


def row(head: Content, *cells: Content, **attributes: str | int | None) -> ET.Element:
    """Return a row of a table whose first cell says what it is about."""
    return element("tr", element("th", head, scope="row"), *map(cell, cells), **attributes)


def cell(content: Content) -> ET.Element:
    """Return a cell of a table; what is one already stays as it is."""
    if isinstance(content, ET.Element) and content.tag in {"td", "th"}:
        return content
    return element("td", content)


def listed(items: Iterable[Content]) -> ET.Element:
    """Return a list."""
    return element("ul", *(element("li", item) for item in items))


def pairs(items: Iterable[tuple[str, Content]]) -> ET.Element:
    """Return terms, each with what is said of it."""
    made = element("dl")
    for term, said in items:
        made.extend([element("dt", term), element("dd", said)])
    return made


def document(title: str, style: str, body: ET.Element) -> str:
    """Return a whole page.

    :param style: rules of ours, which stand in the page; where a server forbids that, those of
        the stylesheet beside it count, which are the same
    """
    policy = "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("title", title),
        element("link", rel="stylesheet", href="report.css"),
    )
    sheet = ET.SubElement(head, "style")
    sheet.text = style
    page = ET.tostring(element("html", head, body, lang="en"), "unicode", method="html")
    return f"<!DOCTYPE html>\n{page}\n"


def _text(text: str) -> str:
    return for_xml(plain(text))
