"""The frameworks' scripts are run by a test, not collected."""

collect_ignore = ["frameworks"]
