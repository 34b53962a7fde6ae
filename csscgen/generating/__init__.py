"""``csscgen genk8s``: the load's objects as files, for other load generators and for kubectl."""
