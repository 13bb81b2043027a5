"""The full screens: debugger, lecture, inference, loading, speaker notes. Must not import the app or the commands."""
