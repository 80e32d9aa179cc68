"""What is to be seen of a running platform: a page a module, each a function from stacks to rows of widgets."""
