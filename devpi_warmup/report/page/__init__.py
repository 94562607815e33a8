"""``index.html``: the page that people look at before anything is let in; a module a part of it."""
