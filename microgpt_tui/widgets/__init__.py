"""Drawing on terminal lines: numbers, bars, strips, heatmaps, tables. Knows nothing of GPTs."""
