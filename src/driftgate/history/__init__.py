"""Runs in SQL and what was good. (The room is empty until there is a history.)"""
