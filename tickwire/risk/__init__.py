"""What can be lost: the size of a position, liquidation, value at risk, scenarios.

Losses are positive numbers everywhere; money is in the quote currency of the prices that it comes from.
"""
