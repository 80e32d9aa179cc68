"""State machines as Amazon States Language: plain data, which the stacks and the tests make with their own names."""
