// SPDX-License-Identifier: Apache-2.0
// A peer for the benchmark: Node's `socket.io`, used as its documentation shows, over WebSocket alone. A client
// joins the rooms that its request names, `rooms=a,b`; "message" comes back to it, "tell" goes to the room "bench".
//
//     node node_socketio.js PORT
'use strict';

const { createServer } = require('http');
const { Server } = require('socket.io');

const port = Number(process.argv[2]);
if (!Number.isInteger(port) || port < 1 || port > 65535) {
  console.error('usage: node node_socketio.js PORT');
  process.exit(2);
}

const server = createServer();
const io = new Server(server, { transports: ['websocket'], serveClient: false });

io.on('connection', (socket) => {
  const rooms = (socket.handshake.query.rooms || '').split(',').filter((name) => name !== '');
  socket.join(rooms);
  socket.on('message', (data) => socket.emit('message', data));
  socket.on('tell', (data) => io.to('bench').emit('message', data));
});
server.listen({ host: '127.0.0.1', port, backlog: 4096 });
