// SPDX-License-Identifier: Apache-2.0
// The page of the chat. It emits "join" ROOM, and "say" ROOM WHAT, where no room means everybody; it hears "hello"
// FROM, "said" FROM ROOM WHAT, "gone" FROM, where the server itself tells who speaks: {id, slot, generation, workers}.

import { io } from "./socket.io.js";

const $ = (id) => document.getElementById(id);
const random = (from, to) => from + Math.random() * (to - from);

const FIRST_ROOMS = ["lobby", "workshop", "random"];
const KEPT_MESSAGES = 300;        // of each room
const ANNOUNCE_EVERY = 20_000;    // a presence that is not renewed for FORGET_AFTER is gone
const FORGET_AFTER = 50_000;
const BACKOFF_FIRST = 250, BACKOFF_MOST = 15_000;
const LAMP = { open: "connected", connecting: "connecting", closed: "offline" };

const store = {
  get: (key) => { try { return localStorage.getItem(`hubbub.${key}`); } catch { return null; } },
  set: (key, value) => { try { localStorage.setItem(`hubbub.${key}`, value); } catch { /* private window */ } },
};

// ---- what the page knows -----------------------------------------------------------------------------------

const rooms = new Map();   // name -> {messages, unread}
const people = new Map();  // id -> {name, room, slot, generation, seen}
const me = { id: "", name: store.get("name") || invent(), room: roomFromAddress(), slot: 0, generation: 0, workers: 0 };
let attempts = 0, retryTimer = 0, countdownTimer = 0, announceTimer = 0;

function invent() {
  const first = ["Amber", "Brisk", "Calm", "Dusky", "Eager", "Fabled", "Gentle", "Hazel", "Ivory", "Jolly"];
  const second = ["Otter", "Finch", "Maple", "Comet", "Lynx", "Heron", "Cedar", "Badger", "Wren", "Fox"];
  return `${first[Math.floor(random(0, 10))]} ${second[Math.floor(random(0, 10))]}`;
}

function roomName(text) {
  return text.trim().toLowerCase().replace(/^#+/, "").replace(/\s+/g, "-").slice(0, 32);
}

function roomFromAddress() {
  try { return roomName(decodeURIComponent(location.hash)) || FIRST_ROOMS[0]; } catch { return FIRST_ROOMS[0]; }
}

function room(name) {
  if (!rooms.has(name)) rooms.set(name, { messages: [], unread: 0 });
  return rooms.get(name);
}

function workerColour(slot) {
  return `hsl(${(slot * 137 + 245) % 360} 58% var(--worker-light))`;
}

function hue(text) {
  let sum = 7;
  for (const c of text) sum = (sum * 31 + c.codePointAt(0)) % 360;
  return sum;
}

// ---- the connection ----------------------------------------------------------------------------------------

// The page tries again by itself, because it shows when.
const socket = io({ autoConnect: false, reconnection: false, transports: ["websocket", "polling"], tryAllTransports: true });
socket.on("hello", welcome);
socket.on("said", heard);
socket.on("gone", ({ id }) => forget(id));
socket.on("disconnect", lost);
socket.on("connect_error", lost);

function connect() {
  clearTimeout(retryTimer);
  clearInterval(countdownTimer);
  showState("connecting", attempts ? "reconnecting" : "connecting");
  socket.connect();
}

// Exponential with full jitter: after a crash all its clients come back, but not in the same instant.
function lost() {
  clearTimeout(retryTimer);
  clearInterval(countdownTimer);
  clearTimeout(announceTimer);
  const ceiling = Math.min(BACKOFF_MOST, BACKOFF_FIRST * 2 ** attempts++);
  const delay = random(ceiling / 4, ceiling);
  const due = Date.now() + delay;
  const tick = () => {
    const left = Math.ceil((due - Date.now()) / 1000);
    showState("closed", left > 1 ? `offline, again in ${left} s` : "offline", left > 1);
  };
  tick();
  countdownTimer = setInterval(tick, 1000);
  retryTimer = setTimeout(connect, delay);
}

function heard(from, where, data) {
  if (!data || typeof data.name !== "string" || typeof where !== "string") return;
  const name = data.name.slice(0, 24);
  if (where === "") present(from, name, data);
  else if (typeof data.text === "string") said(from, where, name, data.text.slice(0, 1000));
}

function welcome(from) {
  const before = me.id;
  Object.assign(me, from);
  attempts = 0;
  people.clear();
  for (const name of rooms.keys()) socket.emit("join", name);
  showState("open", "connected");
  note(before ? `Connected again, now by worker ${from.slot} (generation ${from.generation}).`
              : `Connected by worker ${from.slot} of ${from.workers}.`);
  announce({ new: true, was: before });
}

// ---- presence ----------------------------------------------------------------------------------------------

function announce(extra = {}) {
  clearTimeout(announceTimer);
  announceTimer = setTimeout(announce, ANNOUNCE_EVERY * random(0.8, 1.2));
  if (socket.connected) socket.emit("say", "", { name: me.name, room: me.room, ...extra });
}

// A newcomer asks who is there. Answers are spread in time, the more the larger the crowd.
function announceSoon() {
  clearTimeout(announceTimer);
  announceTimer = setTimeout(announce, random(20, 200 + 20 * people.size));
}

function present(from, name, data) {
  if (typeof data.was === "string") people.delete(data.was);
  people.set(from.id, { ...from, name, room: roomName(String(data.room ?? "")), seen: Date.now() });
  me.workers = from.workers;
  if (data.new === true && from.id !== me.id) announceSoon();
  draw();
}

function forget(id) {
  if (people.delete(id)) draw();
}

setInterval(() => {
  let changed = false;
  for (const [id, person] of people)
    if (id !== me.id && Date.now() - person.seen > FORGET_AFTER) changed = people.delete(id);
  if (changed) draw();
}, 5000);

// ---- rooms and messages ------------------------------------------------------------------------------------

function enter(name) {
  if (!name) return;
  const known = rooms.has(name);
  me.room = name;
  room(name).unread = 0;
  if (!known && socket.connected) socket.emit("join", name);
  if (roomFromAddress() !== name) history.replaceState(null, "", `#${encodeURIComponent(name)}`);
  announce();
  draw();
  drawLog();
  closeSide();
}

function keep(name, message) {
  const { messages } = room(name);
  messages.push(message);
  if (messages.length > KEPT_MESSAGES) messages.shift();
}

function said(from, where, name, text) {
  if (!rooms.has(where)) return;
  const message = { ...from, name, text, at: new Date(), own: from.id === me.id };
  keep(where, message);
  if (where === me.room) addToLog(message);
  else { room(where).unread++; drawRooms(); }
}

function note(text) {
  const message = { note: text, at: new Date() };
  keep(me.room, message);
  addToLog(message);
}

// ---- drawing -----------------------------------------------------------------------------------------------

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function face(name) {
  const node = element("span", "face", [...name][0] || "?");
  node.style.setProperty("--hue", hue(name));
  node.setAttribute("aria-hidden", "true");
  return node;
}

function badge(slot) {
  const node = element("span", "badge", `worker ${slot}`);
  node.style.setProperty("--worker", workerColour(slot));
  return node;
}

function showState(state, text, retry = false) {
  $("state").dataset.state = state;
  $("state-text").textContent = text || LAMP[state];
  $("retry").hidden = !retry;
  $("send").disabled = state !== "open";
  $("worker").hidden = state !== "open";
  if (state === "open") {
    $("worker").style.setProperty("--worker", workerColour(me.slot));
    $("worker").dataset.slot = me.slot;
    $("worker").dataset.generation = me.generation;
    $("worker-text").textContent = `worker ${me.slot} of ${me.workers}`;
  }
}

function drawRooms() {
  const crowds = new Map();
  for (const person of people.values()) crowds.set(person.room, (crowds.get(person.room) || 0) + 1);
  const names = [...new Set([...FIRST_ROOMS, ...rooms.keys(), ...crowds.keys()])].filter(Boolean);
  $("rooms").replaceChildren(...names.map((name) => {
    const button = element("button");
    const unread = rooms.get(name)?.unread || 0, crowd = crowds.get(name) || 0;
    button.type = "button";
    button.dataset.room = name;
    if (name === me.room) button.setAttribute("aria-current", "true");
    button.append(element("span", "label", name));
    if (crowd) {
      const count = element("span", "crowd", crowd);
      count.title = `${crowd} here`;
      button.append(count);
    }
    if (unread) {
      const count = element("span", "unread", unread);
      count.append(element("span", "hidden", " unread"));
      button.append(count);
    }
    button.onclick = () => enter(name);
    const item = element("li");
    item.append(button);
    return item;
  }));
}

function draw() {
  const focused = document.activeElement?.dataset?.room;
  drawRooms();
  if (focused !== undefined) document.querySelector(`[data-room="${CSS.escape(focused)}"]`)?.focus();

  const here = [...people].filter(([, person]) => person.room === me.room)
    .sort(([a, x], [b, y]) => (b === me.id) - (a === me.id) || x.name.localeCompare(y.name));
  $("people-count").textContent = here.length ? `· ${here.length}` : "";
  $("people").replaceChildren(...here.map(([id, person]) => {
    const item = element("li");
    item.dataset.id = id;
    const who = element("span", "who", person.name);
    if (id === me.id) who.append(element("span", "self", " (you)"));
    item.append(face(person.name), who, badge(person.slot));
    return item;
  }));

  const loads = Array.from({ length: Math.min(me.workers, 64) }, () => 0);
  for (const person of people.values()) if (person.slot < loads.length) loads[person.slot]++;
  $("workers").replaceChildren(...loads.map((load, slot) => {
    const item = element("li", slot === me.slot ? "mine" : "");
    item.style.setProperty("--worker", workerColour(slot));
    item.append(element("span", "dot"), `${slot}`, element("span", "hidden", " has "), element("strong", "", load));
    item.title = `worker ${slot}: ${load} ${load === 1 ? "client" : "clients"}${slot === me.slot ? ", you among them" : ""}`;
    return item;
  }));

  $("room-title").textContent = `# ${me.room}`;
  const spread = new Set(here.map(([, person]) => person.slot)).size;
  $("room-note").textContent = here.length
    ? `${here.length} ${here.length === 1 ? "person" : "people"} on ${spread} ${spread === 1 ? "worker" : "workers"}` : "";
  document.title = `#${me.room} · hubbub chat`;
}

function drawLog() {
  $("log").replaceChildren();
  for (const message of room(me.room).messages) addToLog(message, true);
  if (!room(me.room).messages.some((message) => message.text)) {
    const empty = element("div", "empty");
    empty.append(element("strong", "", `Nothing said in #${me.room} yet`),
                 "Open this page in a second window: it may be served by another worker, and you will hear it here.");
    $("log").append(empty);
  }
  $("log").scrollTop = $("log").scrollHeight;
}

function addToLog(message, quiet = false) {
  const log = $("log");
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  if (message.note) {
    log.append(element("p", "note", message.note));
  } else {
    log.querySelector(".empty")?.remove();
    const last = log.lastElementChild;
    const more = last?.dataset.id === message.id && last?.dataset.name === message.name;
    const node = element("article", `message${message.own ? " own" : ""}${more ? " more" : ""}`);
    node.dataset.id = message.id;
    node.dataset.name = message.name;
    const head = element("header");
    const time = element("time", "", message.at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
    time.dateTime = message.at.toISOString();
    head.append(element("strong", "", message.name), badge(message.slot), time);
    node.append(face(message.name), head, element("p", "said", message.text));
    log.append(node);
  }
  while (log.childElementCount > KEPT_MESSAGES) log.firstElementChild.remove();
  if (!quiet && (atEnd || message.own)) log.scrollTop = log.scrollHeight;
}

// ---- controls ----------------------------------------------------------------------------------------------

function closeSide() {
  $("side").classList.remove("open");
  $("veil").hidden = true;
  $("menu").setAttribute("aria-expanded", "false");
}

$("menu").onclick = () => {
  const open = $("side").classList.toggle("open");
  $("veil").hidden = !open;
  $("menu").setAttribute("aria-expanded", String(open));
};
$("veil").onclick = closeSide;
$("retry").onclick = () => { attempts = 0; connect(); };
$("compose").onsubmit = (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text || !socket.connected) return;
  socket.emit("say", me.room, { name: me.name, text });
  $("text").value = "";
};
$("new-room").onsubmit = (event) => {
  event.preventDefault();
  enter(roomName($("room-name").value));
  $("room-name").value = "";
};
$("name").onchange = () => {
  me.name = $("name").value.trim() || me.name;
  $("name").value = me.name;
  store.set("name", me.name);
  announce();
};
$("me").onsubmit = (event) => { event.preventDefault(); $("name").blur(); };
addEventListener("hashchange", () => { if (roomFromAddress() !== me.room) enter(roomFromAddress()); });
addEventListener("online", () => { if (!socket.connected) { attempts = 0; connect(); } });
addEventListener("keydown", (event) => { if (event.key === "Escape") closeSide(); });

$("name").value = me.name;
for (const name of FIRST_ROOMS) room(name);
room(me.room);
draw();
drawLog();
connect();
