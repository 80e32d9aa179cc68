"""Questions of the nightly training → what to do, and why."""
