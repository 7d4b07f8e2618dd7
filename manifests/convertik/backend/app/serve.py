"""The server: `python -m app.serve`.

Uvicorn, told to stop, closes every connection on which it has not read a request yet, one that has just been accepted
too. Here it first stops listening, gives what was accepted a moment to speak, and then finishes what it has begun.
"""

import asyncio

import uvicorn

LAST_WORDS_SECONDS = 0.2


class Server(uvicorn.Server):
    async def shutdown(self, sockets=None) -> None:
        for listener in self.servers:
            listener.close()
        await asyncio.sleep(LAST_WORDS_SECONDS)
        await super().shutdown(sockets)


if __name__ == "__main__":
    Server(uvicorn.Config("app.main:app", host="0.0.0.0", port=8000, log_config=None)).run()
