"""Lectures: parsing, binding to a run, rendering, checking. Must not import panes or screens."""
