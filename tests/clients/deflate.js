// SPDX-License-Identifier: Apache-2.0
// node deflate.js URL: echoes and broadcasts with permessage-deflate in all of ws's settings. Prints "ok" or fails.
"use strict";
const WebSocket = require("ws");

const settings = [
  false,
  true,
  { threshold: 0 },
  { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true },
  { threshold: 0, serverMaxWindowBits: 9, clientMaxWindowBits: 9 },
];
const line = JSON.stringify({ room: "lobby", text: "hello ü" });
const messages = [0, 1, 1000, 5000, 100000].flatMap((size) => {
  const text = line.repeat(size / 10).slice(0, size);
  return [text, Buffer.from(text)];
});

function open(path, perMessageDeflate) {
  return new Promise((resolve, reject) => {
    const client = new WebSocket(process.argv[2] + path, { perMessageDeflate, maxPayload: 0 });
    client.got = [];
    client.on("message", (data, isBinary) => client.got.push(isBinary ? data : data.toString()));
    client.on("error", reject);
    client.on("close", (code) => client.done || reject(new Error(`closed with ${code}`)));
    client.on("open", () => {
      if (client.extensions !== "" !== Boolean(perMessageDeflate)) reject(new Error(`agreed: ${client.extensions}`));
      resolve(client);
    });
  });
}

async function all(client) {
  while (client.got.length < messages.length) await new Promise((resolve) => client.once("message", resolve));
  messages.forEach((want, index) => {
    const got = client.got[index];
    if (Buffer.isBuffer(got) !== Buffer.isBuffer(want) || !Buffer.from(got).equals(Buffer.from(want)))
      throw new Error(`message ${index} differs`);
  });
  client.done = true;
  client.terminate();
}

(async () => {
  for (const setting of settings) {
    const client = await open("/echo", setting);
    messages.forEach((message) => client.send(message));
    await all(client);
  }
  const room = await Promise.all([...settings, ...settings].map((setting) => open("/events/node-deflate", setting)));
  messages.forEach((message) => room[2].send(message));
  await Promise.all(room.map(all));
  console.log("ok");
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
