"""SageMaker on a laptop: its control plane and its runtime, in front of the model's real server and real jobs."""
