# SPDX-License-Identifier: Apache-2.0
"""
A load of ordinary clients in a process of its own, and what became of them.

    python3 load.py HOST PORT [--http N] [--short N] [--ws N]

`http` clients keep their connection as long as the server lets them, `short` ones make a new one for each
request, `ws` clients send messages and compare the echoes. Each paces itself. A line "ready" says that every
client was served once; "look" on standard input is answered by a line of what was counted so far, and the end
of standard input ends the load after the requests in progress, with one more such line.

A keep-alive client that was told `Connection: close`, or whose idle connection was ended before it sent the
next request, connects again; so does a WebSocket client that got a close frame with 1001 or 1012 at the end of
a whole handshake. Everything else that is not the right answer is a failure.
"""

import argparse
import asyncio
import base64
import collections
import json
import os
import struct
import sys
import time

HTTP_PAUSE, SHORT_PAUSE, WS_PAUSE = 0.1, 0.1, 0.2
GRACEFUL = {1001, 1012}
KEY = b"\x11\x22\x33\x44"


class Failure(Exception):
    pass


class Load:
    def __init__(self, host, port):
        self.host, self.port = host, port
        self.failures = collections.Counter()
        self.counts = collections.Counter()
        self.workers = collections.Counter()  # requests by "slot.generation"
        self.longest = 0.0
        self.ended = False
        self.served = 0  # clients that were served once

    def report(self):
        return {"failures": dict(self.failures), "workers": dict(self.workers), "longest": round(self.longest, 3),
                **self.counts}

    # ---- connections

    async def connect(self):
        self.counts["connects"] += 1
        try:
            return await asyncio.wait_for(asyncio.open_connection(self.host, self.port), 30)
        except ConnectionRefusedError:
            raise Failure("refused") from None
        except (OSError, asyncio.TimeoutError) as error:
            raise Failure(f"connect: {type(error).__name__}") from None

    async def request(self, streams, path="/whoami", fields=""):
        """Sends one request; gives the status, the lower-case head and the body."""
        reader, writer = streams
        begun = time.monotonic()
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: load\r\n{fields}\r\n".encode())
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
            lines = head.decode("latin-1").lower().split("\r\n")
            status = int(lines[0].split(" ")[1])
            length = next((int(line[15:]) for line in lines if line.startswith("content-length:")), 0)
            body = await asyncio.wait_for(reader.readexactly(length), 30)
        except asyncio.IncompleteReadError:
            raise Failure("end instead of an answer") from None
        except OSError as error:
            raise Failure(f"request: {type(error).__name__}") from None
        except asyncio.TimeoutError:
            raise Failure("no answer") from None
        self.longest = max(self.longest, time.monotonic() - begun)
        return status, lines, body

    def count_answer(self, status, body):
        if status != 200:
            raise Failure(f"status {status}")
        worker = json.loads(body)
        self.workers[f"{worker['slot']}.{worker['generation']}"] += 1
        self.counts["requests"] += 1

    # ---- clients

    async def keep_alive(self, once):
        streams = None
        try:
            while not self.ended:
                if streams is None:
                    streams = await self.connect()
                elif streams[0].at_eof():
                    self.counts["idle ends"] += 1
                    streams[1].close()
                    streams = await self.connect()
                status, lines, body = await self.request(streams)
                self.count_answer(status, body)
                once()
                if "connection: close" in lines:
                    self.counts["told to close"] += 1
                    streams[1].close()
                    streams = None
                await asyncio.sleep(HTTP_PAUSE)
        finally:
            if streams:
                streams[1].close()

    async def short(self, once):
        while not self.ended:
            streams = await self.connect()
            try:
                status, _, body = await self.request(streams, fields="Connection: close\r\n")
                self.count_answer(status, body)
                once()
            finally:
                streams[1].close()
            await asyncio.sleep(SHORT_PAUSE)

    async def frame(self, reader):
        first, second = await reader.readexactly(2)
        if second >= 126:
            raise Failure("ws: a frame that nobody asked for")
        return first & 15, await reader.readexactly(second)

    async def websocket(self, once):
        while not self.ended:
            streams = await self.connect()
            reader, writer = streams
            try:
                key = base64.b64encode(os.urandom(16)).decode()
                status, _, _ = await self.request(streams, "/echo", "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                                                  f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n")
                if status != 101:
                    raise Failure(f"ws status {status}")
                await self.converse(reader, writer, once)
            except asyncio.IncompleteReadError:
                raise Failure("ws: end without a close frame") from None
            except OSError as error:
                raise Failure(f"ws: {type(error).__name__}") from None
            except asyncio.TimeoutError:
                raise Failure("ws: no echo") from None
            finally:
                writer.close()

    async def converse(self, reader, writer, once):
        number = 0
        while True:
            text = b"%d" % number
            number += 1
            if self.ended:
                code = struct.pack("!H", 1000)
                writer.write(b"\x88\x82" + KEY + bytes(a ^ b for a, b in zip(code, KEY)))
            else:
                masked = bytes(a ^ KEY[i & 3] for i, a in enumerate(text))
                writer.write(bytes((0x81, 0x80 | len(text))) + KEY + masked)
            while True:
                opcode, payload = await asyncio.wait_for(self.frame(reader), 30)
                if opcode == 8:
                    if self.ended:
                        return
                    code = struct.unpack("!H", payload[:2])[0]
                    if code not in GRACEFUL:
                        raise Failure(f"ws: closed with {code}")
                    self.counts[f"closed {code}"] += 1
                    writer.write(b"\x88\x82" + KEY + bytes(a ^ b for a, b in zip(payload[:2], KEY)))
                    return
                if opcode == 1 and payload == text:
                    break
                if not self.ended:
                    raise Failure(f"ws: opcode {opcode} instead of an echo")
            self.counts["echoes"] += 1
            once()
            await asyncio.sleep(WS_PAUSE)

    # ---- the whole

    async def run_client(self, client):
        """After a failure the client begins again: one failure must not end the load that is to show more."""
        served = False

        def once():
            nonlocal served
            self.served += not served
            served = True

        while not self.ended:
            try:
                await client(once)
            except Failure as failure:
                self.failures[str(failure)] += 1
                await asyncio.sleep(0.05)

    async def run(self, clients):
        loop = asyncio.get_running_loop()
        commands = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
        tasks = [asyncio.create_task(self.run_client(client)) for client in clients]
        while self.served < len(clients) and not commands.at_eof():
            await asyncio.sleep(0.01)
        print("ready", flush=True)
        while await commands.readline():
            print(json.dumps(self.report()), flush=True)
        self.ended = True
        await asyncio.gather(*tasks)
        print(json.dumps(self.report()), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    for kind in ("http", "short", "ws"):
        parser.add_argument(f"--{kind}", type=int, default=0)
    asked = parser.parse_args()
    load = Load(asked.host, asked.port)
    clients = [load.keep_alive] * asked.http + [load.short] * asked.short + [load.websocket] * asked.ws
    asyncio.run(load.run(clients))


if __name__ == "__main__":
    main()
