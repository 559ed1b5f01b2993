"""Settings of all tests: reproducible draws, no deadlines on a busy machine."""

from hypothesis import settings

settings.register_profile("symscape", deadline=None, derandomize=True, max_examples=40)
settings.load_profile("symscape")
