"""What a network has to beat, each an :class:`~tickwire.model.estimator.Estimator`: from nothing at all to trees."""
