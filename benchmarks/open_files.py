"""As many open files as this system lets a process have, since each connection is one."""

import resource


def allow_open_files() -> int:
    """Raise this process' own limit to the system's; gives it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most
