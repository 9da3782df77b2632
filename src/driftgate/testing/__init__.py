"""Fakes and builders that ship with the package, so that tests here and elsewhere inject instead of patching."""
