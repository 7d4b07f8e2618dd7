# The application that the simulation has in memory, for a real engine: it does what its file `code` says.
import http.server
import os
import signal

lines = [line.split() for line in open("code")]
fault = next((words[1] for words in lines if words[:1] == ["fault"]), None)


class Application(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        broken = fault == "probe" or (fault == "smoke" and self.path == "/smoke")
        self.send_response(500 if broken else 200)
        self.end_headers()

    def log_message(self, *_):
        pass


def end(signum, _):
    os._exit(signum - signal.SIGRTMIN)


if fault == "start":
    raise SystemExit(1)
for code in range(8):
    signal.signal(signal.SIGRTMIN + code, end)
http.server.ThreadingHTTPServer(("", 8000), Application).serve_forever()
