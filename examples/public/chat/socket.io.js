// SPDX-License-Identifier: Apache-2.0
// What this page needs of Socket.IO's client, for where npm is not: protocol 5, over a WebSocket only. Where npm is,
// ./bootstrap puts the stock client in the place of this file: the page does not know the difference.

export function io() {
  const handlers = new Map();
  const fire = (event, ...args) => handlers.get(event)?.(...args);
  let carrier = null, silence = 0, patience = 20_000;

  const socket = {
    connected: false,
    on(event, handler) { handlers.set(event, handler); },
    emit(event, ...args) { if (socket.connected) carrier.send(`42${JSON.stringify([event, ...args])}`); },
    connect() { if (!carrier) open(); },
  };

  function open() {
    const now = carrier = new WebSocket(`${location.origin.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`);
    listen();
    now.onmessage = ({ data }) => {
      listen();
      if (data === "2") return now.send("3");
      const json = /^\d+(.*)$/s.exec(data)[1];
      if (data.startsWith("0")) {
        const { pingInterval, pingTimeout } = JSON.parse(json);
        patience = pingInterval + pingTimeout;
        now.send("40");
      } else if (data.startsWith("40")) {
        socket.connected = true;
        fire("connect");
      } else if (data.startsWith("42")) {
        fire(...JSON.parse(json));
      } else {
        now.close();
      }
    };
    now.onclose = () => {
      clearTimeout(silence);
      const event = socket.connected ? "disconnect" : "connect_error";
      carrier = null;
      socket.connected = false;
      fire(event, event === "disconnect" ? "transport close" : new Error("websocket error"));
    };
  }

  // The server pings; one that is not heard for so long is gone.
  function listen() {
    clearTimeout(silence);
    silence = setTimeout(() => carrier?.close(), patience);
  }

  return socket;
}
