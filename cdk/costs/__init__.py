"""What a stage costs a month at a load: ``python -m cdk.costs``.

Prices (:mod:`cdk.costs.prices`) times quantities, which follow from the stage's settings, from what is
in its templates (:mod:`cdk.costs.inventory`), from what a partition's share of the load was measured to
make (:mod:`benchmarks.volumes`), and from a few assumptions that are named as such (:mod:`cdk.costs.flow`).
"""
