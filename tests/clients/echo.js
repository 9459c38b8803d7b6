// SPDX-License-Identifier: Apache-2.0
// node echo.js URL: sends messages of many sizes and checks what comes back. Prints "ok" or fails.
"use strict";
const WebSocket = require("ws");

const sizes = [0, 1, 125, 126, 65535, 65536, 1000000];
const expected = sizes.flatMap((size) => ["ü".repeat(size >> 1), Buffer.alloc(size, 0xa5)]);
const client = new WebSocket(process.argv[2], { maxPayload: 0 });
let next = 0;

client.on("open", () => expected.forEach((message) => client.send(message)));
client.on("message", (data, isBinary) => {
  const want = expected[next++];
  if (isBinary !== Buffer.isBuffer(want) || !data.equals(Buffer.from(want))) throw new Error(`message ${next} differs`);
  if (next === expected.length) {
    client.ping("are you there");
    client.once("pong", (payload) => {
      if (payload.toString() !== "are you there") throw new Error("the pong differs");
      client.close(4000, "done");
    });
  }
});
client.on("close", (code) => {
  if (code !== 4000 || next !== expected.length) throw new Error(`closed with ${code} after ${next} messages`);
  console.log("ok");
});
