"""A web application on loopback, in a thread."""

import threading
import time

import pytest


@pytest.fixture
def on_loopback():
    """Starts an application and gives the address of its API; all stop with the test."""
    import uvicorn

    running = []

    def start(app):
        one = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", access_log=False))
        thread = threading.Thread(target=one.run, daemon=True)
        thread.start()
        running.append((one, thread))
        while not one.started:
            time.sleep(0.01)
        return f"http://127.0.0.1:{one.servers[0].sockets[0].getsockname()[1]}/v1"

    yield start
    for one, thread in running:
        one.should_exit = True
        thread.join(10)
