"""The processes (ranks) that train one network together."""
