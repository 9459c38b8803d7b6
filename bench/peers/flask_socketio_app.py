# SPDX-License-Identifier: Apache-2.0
"""
A peer for the benchmark: Flask-SocketIO, used as its documentation shows, under gunicorn with one worker. A client
joins the rooms that its request names, `rooms=a,b`; "message" comes back to it, "tell" goes to the room "bench".
BENCH_ASYNC_MODE is one of gevent, eventlet and threading; the class of gunicorn's worker goes with it.
"""
import os

from flask import Flask, request
from flask_socketio import SocketIO, emit, join_room

app = Flask(__name__)
socketio = SocketIO(app, async_mode=os.environ["BENCH_ASYNC_MODE"])


@socketio.on("connect")
def connect():
    for name in request.args.get("rooms", "").split(","):
        if name:
            join_room(name)


@socketio.on("message")
def message(data):
    emit("message", data)


@socketio.on("tell")
def tell(data):
    emit("message", data, to="bench")
