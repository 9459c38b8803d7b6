// SPDX-License-Identifier: Apache-2.0
// node socketio_client.js: the stock Socket.IO client, driven by a test. Commands come as lines of JSON on standard input,
// answers and all that happens go out as lines on standard output; the test's side is tests/system/sio.py. Binary
// stands in both as {"$binary": BASE64}.
"use strict";
const { Manager } = require("socket.io-client");
const readline = require("node:readline");

const connections = new Map();

const write = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

function plain(value) {
  if (Buffer.isBuffer(value)) return { $binary: value.toString("base64") };
  if (ArrayBuffer.isView(value)) return plain(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
  if (value instanceof ArrayBuffer) return plain(Buffer.from(value));
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}

function lively(value) {
  if (Array.isArray(value)) return value.map(lively);
  if (value === null || typeof value !== "object") return value;
  if (typeof value.$binary === "string") return Buffer.from(value.$binary, "base64");
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, lively(item)]));
}

class Connection {
  constructor(name, { url, path, transports, upgrade, namespaces, auth, reconnect, query }) {
    this.name = name;
    this.answers = new Map();
    this.manager = new Manager(url, {
      path, transports, upgrade, query, autoConnect: false, reconnection: reconnect, reconnectionDelay: 50,
      reconnectionDelayMax: 500, timeout: 20_000,
    });
    this.sockets = new Map();
    for (const namespace of namespaces) this.join(namespace, auth);
  }

  join(namespace, auth) {
    const known = this.sockets.get(namespace);
    if (known) {
      known.auth = auth;
      return void known.connect();
    }
    const socket = this.manager.socket(namespace, { auth: auth ?? undefined });
    this.sockets.set(namespace, socket);
    const tell = (what) => write({ connection: this.name, namespace, ...what });
    socket.on("connect", () => tell({ life: "connect", detail: socket.id }));
    socket.on("disconnect", (reason) => tell({ life: "disconnect", detail: reason }));
    socket.on("connect_error", (error) =>
      tell({ life: "connect_error", detail: { message: error.message, ...(error.data === undefined ? {} : { data: error.data }) } }));
    socket.onAny((event, ...args) => {
      const ack = typeof args.at(-1) === "function" ? args.pop() : undefined;
      tell({ event, args: plain(args) });
      if (ack === undefined) return;
      const answer = this.answers.has(event) ? this.answers.get(event) : [];
      if (answer !== null) ack(...answer);
    });
    socket.connect();
  }
}

const commands = {
  open: ({ connection, ...options }) => void connections.set(connection, new Connection(connection, options)),
  join: ({ connection, namespace, auth }) => connections.get(connection).join(namespace, auth),
  leave: ({ connection, namespace }) => void connections.get(connection).sockets.get(namespace).disconnect(),
  // null: this event is never acknowledged
  answer: ({ connection, event, args }) => void connections.get(connection).answers.set(event, args && lively(args)),
  transport: ({ connection }) => connections.get(connection).manager.engine?.transport?.name ?? null,
  lose: ({ connection }) => {
    const transport = connections.get(connection).manager.engine.transport;
    if (transport.ws) transport.ws.close();
    else transport.onError("lost", new Error("lost"));
  },
  close: ({ connection }) => {
    for (const socket of connections.get(connection).sockets.values()) socket.disconnect();
    connections.get(connection).manager._close();
    connections.delete(connection);
  },
  emit: ({ connection, namespace, event, args, ack }) => {
    const socket = connections.get(connection).sockets.get(namespace);
    if (!ack) return void socket.emit(event, ...lively(args));
    return new Promise((resolve) => socket.emit(event, ...lively(args), (...answer) => resolve(plain(answer))));
  },
};

readline.createInterface({ input: process.stdin }).on("line", async (line) => {
  const { id, do: name, ...rest } = JSON.parse(line);
  try {
    write({ id, result: (await commands[name](rest)) ?? null });
  } catch (error) {
    write({ id, error: String(error.stack) });
  }
}).on("close", () => process.exit(0));
