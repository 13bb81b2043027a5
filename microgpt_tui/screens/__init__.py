"""The screens of the app: opening, the debugger, help. Each has its style sheet beside it."""
