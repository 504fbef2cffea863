"""Where an event happened and which business it belongs to, with how sure we are."""
