"""The texts of the engine: what its errors and findings say."""

from engine.language.catalog import Catalog

say = Catalog("engine.language")
