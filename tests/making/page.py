"""A report as a browser reads it: its tables, its tags, and what it would load."""

from html.parser import HTMLParser

VOID = {"meta", "img", "line", "path", "circle", "rect", "br"}


class Page(HTMLParser):
    """The parts of a page that tests look at."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.tables, self.texts, self.loaded, self.attributes = [], [], [], [], []
        self._cell = None
        self._open = []
        self.feed(text)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in VOID:
            self._open.append(tag)
        for name, value in attributes:
            self.attributes.append((tag, name, value))
            if name in ("src", "href", "data", "srcset", "action", "xlink:href", "poster"):
                self.loaded.append(value)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self._cell = ""

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        assert self._open.pop() == tag
        if tag in ("td", "th"):
            self.tables[-1][-1].append(self._cell.strip())
            self._cell = None

    def handle_data(self, data):
        self.texts.append(data)
        if self._cell is not None:
            self._cell += data

    def table(self, *head):
        """The first table with these columns, as rows by name of named cells."""
        for rows in self.tables:
            if set(head) <= set(rows[0]):
                return {row[0]: dict(zip(rows[0][1:], row[1:], strict=True)) for row in rows[1:]}
        raise AssertionError(f"no table has {head}")
