"""Put rows right that differ from what was loaded."""
