"""All that talks to DNF: databases, repositories, core packages, transactions."""
