"""What `/metrics` tells Prometheus: requests, their times, refusals, faces, batches, the queue."""

from functools import cache

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

disable_created_metrics()  # type: ignore[no-untyped-call] # when each was made: as many lines again, of no use

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SIZES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Metrics of one server, in a registry of its own. No label is a client's text, so their number is bounded."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        requests = Counter(
            "mien_requests", "Requests that were answered", ("path", "method", "status"), registry=registry
        )
        seconds = Histogram(
            "mien_request_seconds", "From a request's head to its answer", ("path",), buckets=SECONDS, registry=registry
        )
        refused = Counter("mien_refused", "Requests and pictures that were refused", ("code",), registry=registry)
        # prometheus_client looks up a label's counter under a lock each time; they are few, so they are kept
        self.requests, self.seconds, self.refused = cache(requests.labels), cache(seconds.labels), cache(refused.labels)
        self.pictures = Counter("mien_pictures", "Pictures that were read", registry=registry)
        self.faces = Counter("mien_faces", "Faces that were read", registry=registry)
        self.batch = Histogram("mien_batch_faces", "Faces in a call of a network", buckets=SIZES, registry=registry)
        self.held = Gauge("mien_queue_pictures", "Pictures waiting or worked on", registry=registry)
        self.queue = Gauge("mien_queue_limit", "The most pictures that may wait or be worked on", registry=registry)
        self.streams = Gauge("mien_streams", "Open streams", registry=registry)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)
