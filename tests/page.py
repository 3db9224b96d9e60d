"""Parse a page as a browser does: its texts, tables, drawings, and the resources that it would fetch."""

import re
from html.parser import HTMLParser

VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """The content of a page. It fails on tags that do not nest, duplicate ids and inline event handlers."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.ids, self.fetched = [], [], [], []
        self.texts, self.tables, self.drawn, self.pre = [], [], [], ""
        self.html = html
        self.feed(html)
        self.close()
        assert not self.open
        assert len(self.ids) == len(set(self.ids))

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag, attributes):
        self.handle_startendtag(tag, attributes)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name in {"src", "href", "xlink:href", "srcset", "data", "action", "poster"}:
                self.fetched.append(value)
            self.fetched += re.findall(r"url\(([^)]*)\)", value or "")
            assert not name.startswith("on"), name
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in {"td", "th"}:
            self.tables[-1][-1].append("")
        elif tag == "svg":
            self.drawn.append([])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        inside = set(self.open)
        if "style" in inside:
            self.fetched += re.findall(r"url\(([^)]*)\)", data) + re.findall(r"@import.*", data)
            return
        self.texts.append(data)
        if "text" in inside:
            self.drawn[-1].append(data)
        elif inside & {"td", "th"}:
            self.tables[-1][-1][-1] += data if self.open[-1] != "small" else f" | {data}"
        elif "pre" in inside:
            self.pre += data

    def stands_alone(self):
        """Whether it runs no script and fetches nothing."""
        assert not {"script", "link", "iframe", "object", "embed", "base"} & set(self.tags)
        assert all(
            each.startswith(("#", "data:image/png;base64,", "data:audio/wav;base64,")) for each in self.fetched
        ), self.fetched
        assert all(each[1:] in self.ids for each in self.fetched if each.startswith("#"))
        return True
