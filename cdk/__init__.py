"""The cloud that Tickwire runs in, as AWS CDK stacks. The same templates run on a laptop."""
