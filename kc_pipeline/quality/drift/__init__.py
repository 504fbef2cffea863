"""Every silence is noticed: what of a feed stopped, began, moved or came late, as pure functions on counts."""
