"""Pictures and the worker of the inference screen. Must not import dialogs or screens."""
