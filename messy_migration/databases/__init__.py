"""Kinds of databases behind two protocols: to be read and proven, and to be a target."""
