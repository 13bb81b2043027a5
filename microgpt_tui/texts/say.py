"""The texts of the app."""

from engine.language.catalog import Catalog

say = Catalog("microgpt_tui.texts")
