# SPDX-License-Identifier: Apache-2.0
"""python3 socketio_client.py: python-socketio's client, driven by a test. The same commands and answers as socketio_client.js."""

import asyncio
import base64
import json
import sys

import socketio

connections = {}


def write(line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def plain(value):
    if isinstance(value, (bytes, bytearray)):
        return {"$binary": base64.b64encode(value).decode()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def lively(value):
    if isinstance(value, list):
        return [lively(item) for item in value]
    if isinstance(value, dict):
        if isinstance(value.get("$binary"), str):
            return base64.b64decode(value["$binary"])
        return {key: lively(item) for key, item in value.items()}
    return value


class Namespace(socketio.AsyncClientNamespace):
    """Takes everything that happens in one namespace of a connection."""

    def __init__(self, connection, namespace):
        super().__init__(namespace)
        self.connection = connection

    async def trigger_event(self, event, *args):
        if event == "connect":
            self.tell(life="connect", detail=self.connection.client.get_sid(self.namespace))
        elif event == "disconnect":
            self.tell(life="disconnect", detail=None)
        elif event == "connect_error":
            self.tell(life="connect_error", detail=args[0] if args else None)
        else:
            self.tell(event=event, args=plain(args))
            answer = self.connection.answers.get(event, [])
            if answer is None:
                await asyncio.Event().wait()
            return tuple(answer)

    def tell(self, **what):
        write({"connection": self.connection.name, "namespace": self.namespace, **what})


class Connection:
    def __init__(self, name, reconnect):
        self.name = name
        self.answers = {}
        self.client = socketio.AsyncClient(reconnection=reconnect, reconnection_delay=0.1, reconnection_delay_max=0.5,
                                           randomization_factor=0.05)

    async def open(self, url, path, transports, upgrade, namespaces, auth, query):
        if query:
            url += "?" + "&".join(f"{key}={value}" for key, value in query.items())
        for namespace in namespaces:
            self.client.register_namespace(Namespace(self, namespace))
        if not upgrade:
            transports = transports[:1]
        await self.client.connect(url, auth=auth, transports=transports, namespaces=namespaces, wait=False,
                                  socketio_path=path.strip("/"))


async def emit(connection, namespace, event, args, ack):
    client = connections[connection].client
    answer = asyncio.get_running_loop().create_future()

    def answered(*values):
        answer.set_result(plain(values))

    await client.emit(event, tuple(lively(args)) if args else None, namespace=namespace, callback=answered if ack else None)
    return await answer if ack else None


async def run(do, connection, **rest):
    if do == "open":
        connections[connection] = Connection(connection, rest.pop("reconnect"))
        return await connections[connection].open(**rest)
    if do == "emit":
        return await emit(connection, **rest)
    here = connections[connection]
    if do == "answer":  # None: this event is never acknowledged
        here.answers[rest["event"]] = rest["args"] and lively(rest["args"])
    elif do == "transport":
        return here.client.transport()
    elif do == "close":
        del connections[connection]
        await here.client.disconnect()
    else:
        raise ValueError(f"this client cannot {do}")


async def carry_out(id, **command):
    try:
        write({"id": id, "result": await run(**command)})
    except Exception as error:
        write({"id": id, "error": repr(error)})


async def main():
    lines = asyncio.StreamReader(limit=1 << 26)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    tasks = set()
    while line := await lines.readline():
        task = asyncio.ensure_future(carry_out(**json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


asyncio.run(main())
