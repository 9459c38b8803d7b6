// SPDX-License-Identifier: Apache-2.0
// node fanout.js URL CLIENTS MESSAGES: every client sends its messages to the room; every client must get all of them,
// each once, and all clients must see one order. Prints "ok" or fails.
"use strict";
const WebSocket = require("ws");

const [url, count, messages] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const total = count * messages;
const clients = Array.from({ length: count }, () => ({ socket: new WebSocket(url), got: [] }));

function finish() {
  const order = clients[0].got.join();
  if (new Set(clients[0].got).size !== total) throw new Error("a message came twice");
  for (const client of clients) if (client.got.join() !== order) throw new Error("two clients saw two orders");
  for (const client of clients) client.socket.terminate();
  console.log("ok");
}

let open = 0, complete = 0;
clients.forEach(({ socket, got }, number) => {
  socket.on("open", () => {
    if (++open < count) return;
    clients.forEach((client, index) => {
      for (let i = 0; i < messages; i++) client.socket.send(`${index}.${i}`);
    });
  });
  socket.on("message", (data) => {
    got.push(data.toString());
    if (got.length > total) throw new Error(`client ${number} got too many`);
    if (got.length === total && ++complete === count) finish();
  });
  socket.on("close", () => { if (complete < count) throw new Error(`client ${number} was closed`); });
});
