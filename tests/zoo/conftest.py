"""The zoo's scripts are run by its tests, not collected."""

collect_ignore = ["healthy", "sick", "scripts", "distributed"]
