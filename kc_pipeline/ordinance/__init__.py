"""What the nuisance ordinance counts: rule sets, countable events, the clock, and the evidence.

Nothing estimated enters here, and nothing here enters the risk score.
"""
