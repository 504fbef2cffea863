"""Kansas City's business risk platform: from the city's feeds to a scored, traceable risk table."""
