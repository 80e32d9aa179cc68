"""One construct a component: it brings its own alarms, log group and grants."""
