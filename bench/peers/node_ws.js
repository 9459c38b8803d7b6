// SPDX-License-Identifier: Apache-2.0
// A peer for the benchmark: Node's `ws`, used as its documentation shows. A client of /echo gets its messages
// back; a client of any other path is a member of the room of that path, and what it sends goes to all of it.
//
//     node node_ws.js PORT
'use strict';

const { WebSocket, WebSocketServer } = require('ws');

const port = Number(process.argv[2]);
if (!Number.isInteger(port) || port < 1 || port > 65535) {
  console.error('usage: node node_ws.js PORT');
  process.exit(2);
}

const rooms = new Map();

function echo(client) {
  client.on('message', (data, isBinary) => client.send(data, { binary: isBinary }));
}

function join(client, name) {
  if (!rooms.has(name)) {
    rooms.set(name, new Set());
  }
  const room = rooms.get(name);
  room.add(client);
  client.on('close', () => room.delete(client));
  client.on('message', (data, isBinary) => {
    for (const member of room) {
      if (member.readyState === WebSocket.OPEN) {
        member.send(data, { binary: isBinary });
      }
    }
  });
}

const server = new WebSocketServer({ host: '127.0.0.1', port, backlog: 4096, perMessageDeflate: false });
server.on('connection', (client, request) => {
  client.on('error', () => client.terminate());
  if (request.url === '/echo' || request.url === '/large') {
    echo(client);
  } else {
    join(client, request.url);
  }
});
