"""Settings, secrets and waivers: what a person configures, checked before anything begins."""
