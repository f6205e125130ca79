"""What all parts of one open store share."""

from __future__ import annotations

from file_uploader.storage.s3.buckets import Buckets
from file_uploader.storage.s3.buffers.budget import Budget
from file_uploader.storage.s3.client.client import Client
from file_uploader.storage.s3.config import S3Config
from file_uploader.storage.s3.keys import Keys
from file_uploader.transfer.tasks import OwnedTasks

from .conditions import Probe


class Context:
    """Built once; ``live`` are the ids of multipart uploads that this process is working on."""

    def __init__(self, config: S3Config, client: Client, budget: Budget) -> None:
        self.config = config
        self.client = client
        self.budget = budget
        self.tasks = OwnedTasks()
        self.keys = Keys(config)
        self.buckets = Buckets(client, self.keys, aws=config.endpoint_url is None)
        self.probe = Probe(client, config.bucket, self.tasks)
        self.live: set[str] = set()
