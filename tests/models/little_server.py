"""A server as small as can be: python little_server.py PATH PORT [how it fails]."""

import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

path, port, how = sys.argv[1], int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else ""
scored = []


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        status = {"unhealthy": 503, "no health": 404}.get(how, 200) if self.path == "/health" else 200
        self.reply(status, {"started": child.pid, "scored": scored})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if how == "dies":
            print("out of memory", flush=True)
            os._exit(3)
        if "echo" in asked and how == "scores":
            scored.append(asked["prompt"])
            tokens = [*asked["prompt"], "."]
            found = {"tokens": tokens, "token_logprobs": [-1.0] * len(tokens), "text_offset": list(range(len(tokens)))}
            self.reply(200, {"choices": [{"logprobs": found}]})
            return
        if "echo" in asked:
            self.reply(404, {"error": {"message": "no such thing"}})
            return
        assert asked["model"] in (path, *(word.removeprefix("--lora=") for word in sys.argv[4:]))
        said = {"content": f"heard {asked['messages'][-1]['content']}"}
        self.reply(200, {"choices": [{"message": said, "finish_reason": "stop"}], "usage": {"completion_tokens": 2}})

    def reply(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


if how == "no start":
    sys.exit("there is no such device")
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])  # as engines have their own
time.sleep(0.3)
ThreadingHTTPServer.request_queue_size = (
    128  # with the usual 5, some of 16 connections at once are refused now and then
)
ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
